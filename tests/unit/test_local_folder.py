"""The data folder: private files, written whole; one supervisor; a state file that survives versions."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from control_room.errors import REFUSED, ControlRoomError
from control_room.local import state as states
from control_room.local.folder import StackFolder, write_private
from control_room.local.lock import FolderLock
from control_room.local.state import ServiceRecord, StackState


@pytest.fixture
def folder(tmp_path: Path) -> StackFolder:
    made = StackFolder.at(tmp_path / "stack")
    made.ensure()
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_made_once_and_stay(folder: StackFolder) -> None:
    first = folder.random_secret("operator.token")
    assert folder.random_secret("operator.token") == first
    assert len(first) >= 40
    assert mode(folder.secret("operator.token")) == 0o600
    assert mode(folder.secret("operator.token").parent) == 0o700


def test_a_file_is_replaced_whole_and_leaves_no_draft(folder: StackFolder) -> None:
    target = folder.root / "x"
    write_private(target, "old")
    write_private(target, "new")
    assert target.read_text() == "new"
    assert not list(folder.root.glob(".x.*"))


def test_the_folder_keeps_itself_out_of_git(folder: StackFolder) -> None:
    assert (folder.root / ".gitignore").read_text() == "*\n"


def test_a_second_supervisor_is_refused_while_the_first_holds_the_lock(folder: StackFolder) -> None:
    first, second = FolderLock(folder), FolderLock(folder)
    first.acquire()
    with pytest.raises(ControlRoomError) as refused:
        second.acquire()
    assert refused.value.exit_code == REFUSED
    first.release()
    assert second.try_acquire()
    second.release()


def test_the_state_comes_back_as_it_was_saved(folder: StackFolder) -> None:
    record = ServiceRecord("postgres", state="ready", pid=1, create_time=2.5, port=3)
    saved = StackState(phase="ready", ports={"postgres": 3}, services={"postgres": record})
    states.save(folder, saved)
    assert states.load(folder) == saved
    assert mode(folder.state_file) == 0o600


def test_a_state_file_of_a_later_version_is_refused(folder: StackFolder) -> None:
    folder.state_file.write_text(json.dumps({"format": states.FORMAT + 1}))
    with pytest.raises(ControlRoomError, match="newer version"):
        states.load(folder)


def test_a_broken_state_file_is_told_with_the_way_out(folder: StackFolder) -> None:
    folder.state_file.write_text("{")
    with pytest.raises(ControlRoomError) as told:
        states.load(folder)
    assert str(folder.state_file) in str(told.value)
    assert "control-room up" in told.value.next_step

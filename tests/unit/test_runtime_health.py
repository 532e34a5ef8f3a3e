"""The probe of an executor's container: ill is who has stopped trying, not who is not answered."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from executors.runtime import health
from executors.runtime.health import Note, NoteBook


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_executor_that_beats_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    (tmp_path / "python-0").mkdir()
    NoteBook(tmp_path / "python-0").beat(answered=True, every_seconds=10)
    assert health.main([str(tmp_path)]) == 0
    assert "last answered 0 s ago" in capsys.readouterr().out
    monkeypatch.setenv("OPS_WORK_DIR", str(tmp_path))
    assert health.main([]) == 0


def test_who_is_not_answered_is_well_and_says_so(tmp_path: Path) -> None:
    clock = Clock()
    book = NoteBook(tmp_path, clock)
    book.beat(answered=True, every_seconds=10)
    clock.now += 3600
    book.beat(answered=False, every_seconds=10)
    found = Note(**json.loads((tmp_path / health.NOTE).read_text()))
    assert found.verdict(clock.now + 1) == (
        True,
        "last heartbeat 1 s ago (every 10 s), last answered 3601 s ago",
    )


def test_who_has_stopped_trying_is_ill() -> None:
    note = Note(tried_at=100.0, answered_at=None, every_seconds=10.0)
    assert note.verdict(160.0)[0]
    well, words = note.verdict(160.1)
    assert not well
    assert "last answered never" in words


def test_a_work_folder_without_an_executor_is_ill(tmp_path: Path, capsys) -> None:
    (tmp_path / "python-0").mkdir()
    (tmp_path / "python-0" / health.NOTE).write_text("half a no")
    assert health.main([str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().out


def test_the_newest_of_several_processes_counts(tmp_path: Path) -> None:
    for index, now in enumerate((5.0, 9.0, 7.0)):
        folder = tmp_path / f"python-{index}"
        folder.mkdir()
        NoteBook(folder, lambda now=now: now).beat(answered=True, every_seconds=10)
    found = health.latest(tmp_path, clock=lambda: 9.5)
    assert found is not None
    assert found.tried_at == 9.0


def test_a_note_from_before_a_reboot_hides_no_executor_that_hangs(tmp_path: Path, capsys) -> None:
    """The monotonic clock starts anew with the machine: what was noted before may lie ahead."""
    now = time.monotonic()
    for name, tried_at in (("python-0", now - 600), ("python-1", now + 30_000_000)):
        (tmp_path / name).mkdir()
        NoteBook(tmp_path / name, lambda tried_at=tried_at: tried_at).beat(answered=True, every_seconds=20)
    assert health.main([str(tmp_path)]) == 1
    assert "last heartbeat 600 s ago" in capsys.readouterr().out
    (tmp_path / "python-0" / health.NOTE).unlink()
    assert health.main([str(tmp_path)]) == 1
    assert "no executor has worked" in capsys.readouterr().out


def test_an_executor_that_starts_has_not_beaten_yet_whatever_its_folder_says(tmp_path: Path) -> None:
    NoteBook(tmp_path).beat(answered=True, every_seconds=10)
    NoteBook(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tried_at", ['"soon"', "null", "NaN", "Infinity"])
def test_a_note_without_a_time_is_none(tmp_path: Path, tried_at: str) -> None:
    (tmp_path / "python-0").mkdir()
    text = f'{{"tried_at": {tried_at}, "answered_at": null, "every_seconds": 10}}'
    (tmp_path / "python-0" / health.NOTE).write_text(text)
    assert health.latest(tmp_path, clock=lambda: 1e9) is None


def test_a_disk_that_takes_no_note_ends_no_heartbeat(tmp_path: Path) -> None:
    NoteBook(tmp_path / "gone").beat(answered=True, every_seconds=10)
    assert health.latest(tmp_path, clock=lambda: 1e9) is None

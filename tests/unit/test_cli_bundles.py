"""Templates on disk: packed the same way everywhere, and only from where they may be."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from control_room.commands.bundles import bundle_folder, pack, template_files
from control_room.errors import MISUSE, ControlRoomError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "code" / "__pycache__").mkdir(parents=True)
    (tmp_path / "code" / "__pycache__" / "a.pyc").write_bytes(b"x")
    (tmp_path / "code" / "b.py").write_text("b")
    (tmp_path / "code" / "a.py").write_text("a")
    (tmp_path / "code" / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "code" / "run.sh").chmod(0o755)
    (tmp_path / "t.yaml").write_text("name: t\nkind: python\nbundle: code\n")
    return tmp_path


def members(archive: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getmembers()


def test_the_same_content_packs_to_the_same_bytes_whenever_and_by_whomever(home: Path) -> None:
    first = pack(home / "code")
    for path in (home / "code").rglob("*"):
        os.utime(path, (1, 1))
    (home / "code" / "a.py").chmod(0o600)
    assert pack(home / "code") == first


def test_an_archive_is_sorted_and_holds_no_caches_times_or_owners(home: Path) -> None:
    found = members(pack(home / "code"))
    assert [member.name for member in found] == ["a.py", "b.py", "run.sh"]
    assert {(m.mtime, m.uid, m.gid, m.uname) for m in found} == {(0, 0, 0, "")}
    assert [member.mode for member in found] == [0o644, 0o644, 0o755]


def test_a_link_out_of_the_bundle_is_refused(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret"
    secret.write_text("s")
    (home / "code" / "link").symlink_to(secret)
    with pytest.raises(ControlRoomError, match="link leads out of the bundle") as refused:
        pack(home / "code")
    assert str(secret) in refused.value.what
    assert refused.value.exit_code == MISUSE


@pytest.mark.parametrize("bundle", ["..", "../other", "/etc", ".", "code/../.."])
def test_a_bundle_outside_the_templates_folder_is_refused(home: Path, bundle: str) -> None:
    with pytest.raises(ControlRoomError, match="leaves the template's folder"):
        bundle_folder(home / "t.yaml", bundle)


def test_a_bundle_that_is_missing_is_refused(home: Path) -> None:
    with pytest.raises(ControlRoomError, match="is no folder"):
        bundle_folder(home / "t.yaml", "nothing")


def test_a_folder_without_templates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ControlRoomError, match="no template"):
        template_files([tmp_path])

"""Code bundles that must not be unpacked, and entrypoints that must not be started."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from executors.python.entrypoint import call_arguments, parse_entrypoint
from executors.runtime.bundles import check_entrypoint, unpack_safely
from executors.runtime.failures import TaskError


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def file(name: str, content: bytes = b"x = 1\n") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def test_an_ordinary_bundle_is_unpacked(tmp_path: Path) -> None:
    unpack_safely(archive(tmp_path / "b.tar.gz", file("main.py"), file("lib/util.py")), tmp_path / "out")
    assert (tmp_path / "out/lib/util.py").read_text() == "x = 1\n"


@pytest.mark.parametrize(
    "member",
    [
        file("../evil.py"),
        file("a/../../evil.py"),
        file("/tmp/evil.py"),
        special("link", tarfile.SYMTYPE, "/etc/passwd"),
        special("link", tarfile.SYMTYPE, "../../outside"),
        special("hard", tarfile.LNKTYPE, "../outside"),
        special("device", tarfile.CHRTYPE),
        special("pipe", tarfile.FIFOTYPE),
    ],
    ids=["parent", "hidden-parent", "absolute", "absolute-link", "relative-link", "hard-link", "device", "fifo"],
)
def test_a_member_that_leads_outside_fails_the_run_and_writes_nothing_there(
    tmp_path: Path, member: tuple[tarfile.TarInfo, bytes]
) -> None:
    with pytest.raises(TaskError) as caught:
        unpack_safely(archive(tmp_path / "b.tar.gz", file("ok.py"), member), tmp_path / "inner/out")
    assert (caught.value.failure_class, caught.value.code) == ("user", "bundle_invalid")
    assert not (tmp_path / "evil.py").exists()
    assert not (tmp_path / "inner/evil.py").exists()


def test_a_member_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="cannot be unpacked"):
        unpack_safely(archive(tmp_path / "b.tar.gz", file("a.py"), file("a.py")), tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00broken"])
def test_bytes_that_are_no_archive_are_a_users_mistake(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.tar.gz").write_bytes(content)
    with pytest.raises(TaskError, match="cannot be unpacked"):
        unpack_safely(tmp_path / "b.tar.gz", tmp_path / "out")


@pytest.mark.parametrize("entrypoint", ["../main.py", "a/../../main.py", "/etc/passwd", "..", "link/x.py", "a\x00b.py"])
def test_an_entrypoint_outside_the_bundle_is_refused(tmp_path: Path, entrypoint: str) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/link").symlink_to("/etc")
    with pytest.raises(TaskError) as caught:
        check_entrypoint(entrypoint, tmp_path / "bundle")
    assert caught.value.code == "entrypoint_outside_bundle"


@pytest.mark.parametrize("entrypoint", ["main.py", "pkg/main.py", ".", "module:function", "report.ipynb"])
def test_an_entrypoint_inside_is_accepted(tmp_path: Path, entrypoint: str) -> None:
    assert check_entrypoint(entrypoint, tmp_path).is_relative_to(tmp_path)


@pytest.mark.parametrize("text", ["main", "a b:main", "main:", ":main", "main:a.b", "os;x:y", "x.sh"])
def test_an_entrypoint_of_no_known_form_is_named(text: str) -> None:
    with pytest.raises(TaskError) as caught:
        parse_entrypoint(text)
    assert caught.value.code == "entrypoint_invalid"


def with_context(context: object) -> None: ...
def with_any_name(job: object) -> None: ...
def with_params(year: int, month: int = 1) -> None: ...
def with_both(context: object, year: int) -> None: ...
def with_all(context: object, **params: object) -> None: ...
def with_only_params(**params: object) -> None: ...
def with_nothing() -> None: ...
def with_keyword(*, year: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "positional", "named"),
    [
        (with_context, ["C"], {}),
        (with_any_name, ["C"], {}),
        (with_params, [], {"year": 2013}),
        (with_both, ["C"], {"year": 2013}),
        (with_all, ["C"], {"year": 2013, "x": 1}),
        (with_only_params, [], {"year": 2013, "x": 1}),
        (with_nothing, [], {}),
        (with_keyword, [], {"year": 2013}),
    ],
)
def test_a_task_gets_what_its_signature_asks_for(
    function: Callable[..., None], positional: list[str], named: dict[str, int]
) -> None:
    assert call_arguments(function, "C", {"year": 2013, "x": 1}) == (positional, named)


def test_a_parameter_that_no_param_fills_is_named() -> None:
    with pytest.raises(TaskError, match="'year'"):
        call_arguments(with_both, "C", {})

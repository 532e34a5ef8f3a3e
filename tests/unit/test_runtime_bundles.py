"""Code bundles that must not be unpacked, and entrypoints that must not be started."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from executors.python.entrypoint import call_arguments, parse_entrypoint
from executors.runtime.bundles import (
    LONG_HEADERS,
    MAX_ALL_HEADERS_BYTES,
    MAX_HEADER_BYTES,
    MAX_UNPACKED_BYTES,
    check_entrypoint,
    check_room,
    unpack_safely,
)
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


def header(kind: bytes, size: int, name: str = "././@PaxHeader") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def packed(path: Path, *parts: bytes) -> Path:
    path.write_bytes(gzip.compress(b"".join(parts), 1))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(TaskError) as caught:
        unpack_safely(path, path.parent / "out")
    assert (caught.value.failure_class, caught.value.code) == ("user", "bundle_invalid")
    return caught.value.message


@pytest.mark.parametrize("kind", sorted(LONG_HEADERS))
def test_a_long_header_is_refused_before_it_is_read(tmp_path: Path, kind: bytes) -> None:
    size = 64 << 20
    bomb = packed(tmp_path / "b.tar.gz", header(kind, size), b"0" * size)
    tracemalloc.start()
    try:
        message = refusal(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "bytes in one header" in message
    assert peak < 4 << 20, "the header was read"


def test_many_headers_in_a_row_are_refused(tmp_path: Path) -> None:
    one = header(tarfile.XHDTYPE, 512) + b"16 comment=abcd\n".ljust(512, b"\0")
    refusal(packed(tmp_path / "b.tar.gz", one * 20_000))


def test_headers_that_are_too_many_in_all_are_refused(tmp_path: Path) -> None:
    name = b"x" * (MAX_HEADER_BYTES - 1) + b"\0"
    pair = header(tarfile.GNUTYPE_LONGNAME, len(name)) + name + header(tarfile.DIRTYPE, 0, "d")
    assert "in all" in refusal(packed(tmp_path / "b.tar.gz", pair * (MAX_ALL_HEADERS_BYTES // len(name) + 1)))


@pytest.mark.parametrize("size", [-512, -(1 << 40)])
def test_a_negative_size_is_refused_instead_of_read_for_ever(tmp_path: Path, size: int) -> None:
    assert "negative" in refusal(packed(tmp_path / "b.tar.gz", header(tarfile.REGTYPE, size, "a.py"), b"\0" * 2048))


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    assert "sparse" in refusal(packed(tmp_path / "b.tar.gz", header(tarfile.GNUTYPE_SPARSE, 512, "a"), b"1" * 9999))


def test_more_bytes_than_a_bundle_may_unpack_are_refused_without_unpacking_them(tmp_path: Path) -> None:
    huge = header(tarfile.REGTYPE, MAX_UNPACKED_BYTES + 1, "huge.bin")
    assert str(MAX_UNPACKED_BYTES) in refusal(packed(tmp_path / "b.tar.gz", huge, b"\0" * 4096))


def test_more_than_the_disk_has_room_for_is_no_mistake_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="free") as caught:
        check_room(1 << 60, tmp_path)
    assert (caught.value.failure_class, caught.value.code) == ("resources", "disk_full")


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

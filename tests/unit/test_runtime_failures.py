"""From exceptions to failure classes, messages and positions."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import EndpointConnectionError

from executors.runtime import child_data
from executors.runtime.failures import TaskError, classify, describe


def chained() -> Exception:
    try:
        try:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        except OSError as cause:
            raise RuntimeError("could not load") from cause
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ZeroDivisionError("x"), ("user", "zero_division_error")),
        (KeyError("x"), ("user", "key_error")),
        (FileNotFoundError(errno.ENOENT, "x"), ("user", "file_not_found_error")),
        (MemoryError(), ("resources", "out_of_memory")),
        (OSError(errno.ENOSPC, "full"), ("resources", "disk_full")),
        (OSError(errno.EMFILE, "files"), ("resources", "system_limit")),
        (ConnectionResetError(), ("external", "connection_failed")),
        (socket.gaierror(-2, "unknown"), ("external", "connection_failed")),
        (OSError(errno.EHOSTUNREACH, "x"), ("external", "connection_failed")),
        (EndpointConnectionError(endpoint_url="http://s3"), ("external", "connection_failed")),
        (httpx.ConnectTimeout("slow"), ("external", "connection_failed")),
        (OSError("Generic S3 error: Error performing GET"), ("external", "connection_failed")),
        (TaskError("resources", "too_big", "x"), ("resources", "too_big")),
        (chained(), ("external", "connection_failed")),
    ],
)
def test_each_exception_has_its_class_and_code(error: Exception, expected: tuple[str, str]) -> None:
    assert classify(error) == expected


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "userlib.py").write_text("def inner(n):\n    return 1 / n\n")
    (tmp_path / "usertask.py").write_text("import userlib\n\ndef main():\n    return userlib.inner(0)\n")
    (tmp_path / "broken.py").write_text("def main(:\n    pass\n")
    sys.path.insert(0, str(tmp_path))
    yield tmp_path
    sys.path.remove(str(tmp_path))
    for name in ("userlib", "usertask", "broken"):
        sys.modules.pop(name, None)


def test_a_trace_shows_the_users_frames_alone_and_the_position_is_their_last(bundle: Path) -> None:
    import importlib

    with pytest.raises(ZeroDivisionError) as caught:
        importlib.import_module("usertask").main()
    record = describe(caught.value, bundle)
    assert record["position"] == {"file": "userlib.py", "line": 2, "function": "inner"}
    assert 'File "usertask.py", line 4' in record["trace"]
    assert "test_runtime_failures" not in record["trace"]
    assert str(bundle) not in record["trace"]


def test_a_syntax_error_points_at_its_line(bundle: Path) -> None:
    import importlib

    with pytest.raises(SyntaxError) as caught:
        importlib.import_module("broken")
    assert describe(caught.value, bundle)["position"] == {"file": "broken.py", "line": 1, "function": "<module>"}


def test_texts_are_bounded_and_fit_the_store() -> None:
    record = describe(ValueError("x\x00" * 100_000))
    assert len(record["message"]) <= 4000
    assert len(record["trace"]) < 25_000
    assert "\x00" not in record["message"] + record["trace"]


@pytest.mark.parametrize("read", [child_data.read_table, child_data.read_batches, child_data.dataset])
def test_an_input_whose_library_is_not_installed_is_the_operators_and_not_the_users(
    read: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ["pyiceberg", *(name for name in sys.modules if name.startswith("pyiceberg."))]:
        monkeypatch.setitem(sys.modules, name, None)
    record = {"name": "delay", "kind": "table", "format": "iceberg", "uri": "s3://warehouse/gold/delay", "version": 1}
    with pytest.raises(TaskError, match=r"cannot read input 'delay'.*pip install pyiceberg") as failed:
        read({"inputs": [record], "connections": {}, "work_dir": str(tmp_path)}, "delay")
    assert (failed.value.failure_class, failed.value.code) == ("internal", "format_not_installed")

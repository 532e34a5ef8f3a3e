"""An executor brings its publications into their tables, or leaves them to the control room, and says which."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from contract.client import ExecutorClient
from executors.runtime import commit_process, delivery
from executors.runtime.commit_process import LOOK_SECONDS, CommitFailed, run_commit
from executors.runtime.connections import Connections
from executors.runtime.delivery import Delivery, Parcel
from executors.runtime.journal import Journal
from executors.runtime.policy import GivenUp, Persistence

RUN = str(UUID(int=42))
URI = "iceberg://lakehouse/gold/delay"
FILE = {"path": f"part-{RUN}-1-00000.parquet", "size": 1, "sha256": "a" * 64, "rows": 1, "stats": None}
PUBLICATION = {
    **{"output": "out", "format": "iceberg", "mode": "append", "uri": URI, "files": [FILE], "rows": 1},
    **{"schema": {"type": "struct", "fields": []}, "partition_by": []},
}
MARKER = {"app_id": f"{RUN}/out", "app_version": 1}
CONNECTION = {"kind": "iceberg", "root": "iceberg://lakehouse", "endpoint": "http://127.0.0.1:9"}
WITHOUT_PYICEBERG = "import sys; sys.modules['pyiceberg'] = None; from executors.runtime.commit import main; main()"
COMMITS = 'print(\'{"table_version": 5, "location": "s3://lakehouse/_ws/b/t"}\')'


class ControlRoom:
    """Accepts the report, and answers each commit with this state."""

    def __init__(self, state: str = "committed") -> None:
        self.state, self.told = state, list[dict[str, Any]]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/commit"):
            self.told.append(json.loads(request.content))
            answer: dict[str, Any] = {"output": "out", "state": self.state, "table_version": None}
            return httpx.Response(200, json=answer | {"run_id": RUN, "run_state": "failed"})
        answer = {"run_id": RUN, "epoch": 1, "attempt": 1, "outcome": "succeeded", "repeated": False}
        answer |= {"run_state": "running", "route": {"decision": "publish", "reason": None, "retry_at": None}}
        return httpx.Response(200, json=answer | {"publications": [{"output": "out", "state": "recorded", **MARKER}]})


def delivered(room: ControlRoom, folder: Path, code: str, connections: dict[str, Any]) -> list[dict[str, Any]]:
    """The log of an executor that has delivered a report with a publication; code: of the commit process."""
    file = folder / "connections.json"
    file.write_text(json.dumps(connections))
    body = {"epoch": 1, "outcome": "succeeded", "idempotency_key": "k", "finished_at": "2026-11-21T12:00:00+00:00"}
    parcel = Parcel(RUN, 1, body | {"publications": [PUBLICATION]}, ("lakehouse",), folder)
    out, gone = io.StringIO(), threading.Event()
    with ExecutorClient("http://control-room.example", "token", transport=httpx.MockTransport(room)) as client:
        command = (sys.executable, "-c", code)
        Delivery(client, Connections(file), Journal(out), command).deliver(parcel, Persistence(gone), gone)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "COMMIT_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(delivery, "COMMIT_TRIES", 2)


@pytest.mark.parametrize(("state", "level"), [("committed", "info"), ("failed", "warning")])
def test_the_state_on_record_is_logged_and_not_the_one_that_was_told(tmp_path: Path, state: str, level: str) -> None:
    lines = delivered(ControlRoom(state), tmp_path, COMMITS, {"lakehouse": CONNECTION})
    (settled,) = [line for line in lines if line["action"] == "publication.settled"]
    assert (settled["state"], settled["told"], settled["level"]) == (state, "committed", level)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("code", "connections", "says"),
    [
        (WITHOUT_PYICEBERG, {"lakehouse": CONNECTION}, "pip install pyiceberg"),
        ("from executors.runtime.commit import main; main()", {"lakehouse": CONNECTION}, "no storage_root"),
        ("raise SystemExit", {}, "'lakehouse' is not in this executor's connections file"),
        ("raise SystemExit", {"lakehouse": CONNECTION | {"root": "s3://moved"}}, "no declared connection holds"),
    ],
    ids=["no package", "no storage_root", "no connection", "another root"],
)
def test_what_an_operator_can_mend_is_left_to_the_control_room_and_told(
    tmp_path: Path, code: str, connections: dict[str, Any], says: str
) -> None:
    room = ControlRoom()
    lines = delivered(room, tmp_path, code, connections)
    assert room.told == []
    tries = [line for line in lines if line["action"] == "publication.retried"]
    assert [(line["run_id"], line["output"], line["tries"]) for line in tries] == [(RUN, "out", 1), (RUN, "out", 2)]
    assert all(says in line["message"] for line in tries)
    assert lines[-1]["action"] == "publication.left"


def test_a_commit_without_its_package_ends_for_now() -> None:
    job = json.dumps({"publication": PUBLICATION | MARKER, "connection": CONNECTION})
    done = subprocess.run((sys.executable, "-c", WITHOUT_PYICEBERG), input=job, capture_output=True, text=True)
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (75, "format_not_installed")


def test_a_commit_that_nobody_waits_for_is_killed(tmp_path: Path) -> None:
    gone, pid = threading.Event(), tmp_path / "pid"
    code = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(90)"

    def leave_once_it_runs() -> None:
        while not (pid.exists() and pid.read_text()):
            time.sleep(0.01)
        gone.set()

    threading.Thread(target=leave_once_it_runs, daemon=True).start()
    with pytest.raises(GivenUp):
        run_commit((sys.executable, "-c", code), PUBLICATION, CONNECTION, tmp_path, gone)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_large_job_reaches_a_process_that_takes_long_to_start(tmp_path: Path) -> None:
    """More than a pipe holds, read later than the executor looks whether it still waits."""
    code = f"import json, sys, time; time.sleep({3 * LOOK_SECONDS}); job = json.loads(sys.stdin.read()); "
    code += "print(json.dumps({'table_version': len(job['publication']['files'])}))"
    publication = PUBLICATION | {"files": [FILE] * 5_000}
    found = run_commit((sys.executable, "-c", code), publication, CONNECTION, tmp_path, threading.Event())
    assert found == {"table_version": 5_000}


def test_a_commit_that_takes_longer_than_its_bytes_need_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_process, "SECONDS", 1.0)
    pid = tmp_path / "pid"
    code = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(90)"
    with pytest.raises(CommitFailed, match="longer than 1 s") as failed:
        run_commit((sys.executable, "-c", code), PUBLICATION, CONNECTION, tmp_path, threading.Event())
    assert failed.value.transient
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_commit_that_cannot_be_started_may_be_later(tmp_path: Path) -> None:
    with pytest.raises(CommitFailed, match="FileNotFoundError") as failed:
        run_commit(("/no/such/program",), PUBLICATION, CONNECTION, tmp_path, threading.Event())
    assert failed.value.transient

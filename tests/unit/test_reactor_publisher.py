"""Finishing publications whose executor died."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from control_room.reactor.commit_process import CommitError, CommitProcess, read_answer, scrubbed, seconds_for
from control_room.reactor.connections import ConnectionsError, connection_for, read_connections
from control_room.reactor.publisher import Publisher, RetryLater
from executors.runtime.commit_process import seconds_for as executors_seconds_for
from tests.unit.test_reactor_leader import ManualClock

RUN = "0197a3c4-7000-7000-8000-000000000042"
PUBLICATION: dict[str, Any] = {
    "run_id": RUN,
    "epoch": 7,
    "output": "gold",
    "uri": "s3://lakehouse/x/gold",
    "rows": 3,
    "app_id": f"{RUN}/gold",
    "app_version": 7,
}
CONNECTION = {"kind": "s3", "root": "s3://lakehouse", "secret_key": "hush"}


@dataclass
class Records:
    """The record of publications, as the database keeps it."""

    pending: list[dict[str, Any]]
    settled: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    async def pending_publications(self, limit: int = 10, skip: Iterable[tuple[str, str]] = ()) -> list[dict[str, Any]]:
        left_out = set(skip)
        return [item for item in self.pending if (item["run_id"], item["output"]) not in left_out][:limit]

    async def commit_publication_as_reactor(self, run_id: str, output: str, body: dict[str, Any]) -> dict[str, Any]:
        self.settled.append((run_id, output, body))
        self.pending = [item for item in self.pending if (item["run_id"], item["output"]) != (run_id, output)]
        return {"state": body["state"]}


def process(code: str, timeout: float = 30) -> CommitProcess:
    return CommitProcess((sys.executable, "-c", code), timeout)


@pytest.fixture
def connections(tmp_path: Path) -> Path:
    path = tmp_path / "connections.json"
    path.write_text(json.dumps({"lakehouse": CONNECTION}))
    return path


async def test_where_a_table_lies_is_recorded_with_its_commit(connections: Path) -> None:
    code = """print('{"table_version": 5, "already": false, "location": "s3://warehouse/gold/t"}')"""
    records = Records([PUBLICATION])
    await Publisher(records, connections, ManualClock(), process(code)).publish()
    (settled,) = records.settled
    assert (settled[2]["table_version"], settled[2]["location"]) == (5, "s3://warehouse/gold/t")


async def test_a_publication_is_committed_by_the_process_and_recorded(connections: Path) -> None:
    code = """
import json, sys
job = json.load(sys.stdin)
assert job["connection"]["secret_key"] == "hush"
print(json.dumps({"table_version": job["publication"]["epoch"], "already": False}))
"""
    records = Records([PUBLICATION])
    assert not await Publisher(records, connections, ManualClock(), process(code)).publish()
    assert records.settled == [(RUN, "gold", {"epoch": 7, "state": "committed", "table_version": 7, "rows": 3})]


async def test_a_passing_failure_is_tried_again_later_and_later(connections: Path) -> None:
    clock, records = ManualClock(), Records([PUBLICATION])
    publisher = Publisher(records, connections, clock, process("raise SystemExit('the store is away')"))
    await publisher.publish()
    assert records.settled == []
    later = publisher._later
    assert (RUN, "gold") in later.held(clock.now + 0.9)
    assert (RUN, "gold") not in later.held(clock.now + 1.0)
    clock.now += 1
    await publisher.publish()
    assert (RUN, "gold") in later.held(clock.now + 1.9)


async def test_a_failure_for_good_is_recorded(connections: Path) -> None:
    told = {"class": "user", "code": "schema_mismatch", "message": "the table has other columns"}
    code = f"import json,sys; print(json.dumps({{'error': {told!r}}})); sys.exit(2)"
    records = Records([PUBLICATION])
    await Publisher(records, connections, ManualClock(), process(code)).publish()
    assert records.settled == [(RUN, "gold", {"epoch": 7, "state": "failed", "error": told})]


async def test_a_commit_that_may_pass_later_is_not_recorded_as_failed(connections: Path) -> None:
    told = {"class": "external", "code": "commit_not_now", "message": "another commit came first"}
    code = f"import json,sys; print(json.dumps({{'error': {told!r}}})); sys.exit(75)"
    records = Records([PUBLICATION])
    await Publisher(records, connections, ManualClock(), process(code)).publish()
    assert records.settled == []


async def test_without_a_connection_nothing_is_given_up(tmp_path: Path) -> None:
    records = Records([PUBLICATION])
    await Publisher(records, tmp_path / "absent.json", ManualClock(), process("")).publish()
    assert records.settled == []
    assert records.pending


async def test_one_that_fails_does_not_stop_the_next(connections: Path) -> None:
    code = """
import json, sys
assert json.load(sys.stdin)["publication"]["output"] == "good"
print('{"table_version": 0}')
"""
    records = Records([PUBLICATION | {"output": "bad"}, PUBLICATION | {"output": "good"}])
    await Publisher(records, connections, ManualClock(), process(code)).publish()
    assert [output for _, output, _ in records.settled] == ["good"]


MENDABLE = ["format_not_installed", "connection_incomplete"]


@pytest.mark.parametrize("code", MENDABLE)
async def test_what_an_operator_can_mend_is_tried_again_and_told(
    connections: Path, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    """The commit process itself: its own tests show that it ends so."""
    told = {"class": "internal", "code": code, "message": "install pyiceberg"}
    records, clock = Records([PUBLICATION]), ManualClock()
    answer = f"import json,sys; print(json.dumps({{'error': {told!r}}})); sys.exit(75)"
    publisher = Publisher(records, connections, clock, process(answer))
    await publisher.publish()
    assert (records.settled, len(publisher._later.held(clock.now))) == ([], 1)
    assert "next try in 1 s: install pyiceberg" in caplog.text
    clock.now += 1
    mended = Publisher(records, connections, clock, process("print('{\"table_version\": 0}')"))
    await mended.publish()
    assert [body["state"] for _, _, body in records.settled] == ["committed"]


WAITS_FOR_OTHERS = """
import json, pathlib, sys, time
output = json.load(sys.stdin)["publication"]["output"]
folder = pathlib.Path(sys.argv[1])
(folder / output).touch()
until = time.monotonic() + 60
while output == "slow" and not (folder / "late").exists() and time.monotonic() < until:
    time.sleep(0.01)
found = output != "slow" or (folder / "late").exists()
print(json.dumps({"table_version": int(found)}))
"""


class Growing(Records):
    """One more publication comes once the first quick one is settled."""

    async def commit_publication_as_reactor(self, run_id: str, output: str, body: dict[str, Any]) -> dict[str, Any]:
        if output == "quick":
            self.pending.append(PUBLICATION | {"output": "late"})
        return await super().commit_publication_as_reactor(run_id, output, body)


async def test_a_slow_commit_holds_up_no_other_and_none_that_comes_later(connections: Path, tmp_path: Path) -> None:
    (tmp_path / "done").mkdir()
    records = Growing([PUBLICATION | {"output": "slow"}, PUBLICATION | {"output": "quick"}])
    command = CommitProcess((sys.executable, "-c", WAITS_FOR_OTHERS, str(tmp_path / "done")), 90)
    await Publisher(records, connections, ManualClock(), command, at_once=2).publish()
    first, *others = [(output, body["table_version"]) for _, output, body in records.settled]
    assert first == ("quick", 1)
    # The slow one ends once the late one has begun, which is what its version says: either may be settled first then.
    assert sorted(others) == [("late", 1), ("slow", 1)]


COUNTS_ITSELF = """
import json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
mine = folder / str(os.getpid())
mine.touch()
seen = len(list(folder.iterdir()))
time.sleep(0.2)
seen = max(seen, len(list(folder.iterdir())))
mine.unlink()
print(json.dumps({"table_version": seen}))
"""


async def test_no_more_than_so_many_are_committed_side_by_side(connections: Path, tmp_path: Path) -> None:
    (tmp_path / "now").mkdir()
    records = Records([PUBLICATION | {"output": str(n)} for n in range(7)])
    command = CommitProcess((sys.executable, "-c", COUNTS_ITSELF, str(tmp_path / "now")), 90)
    await Publisher(records, connections, ManualClock(), command, at_once=2).publish()
    assert max(body["table_version"] for _, _, body in records.settled) == 2
    assert len(records.settled) == 7


async def test_those_that_wait_for_their_next_try_hide_no_others(connections: Path) -> None:
    code = """
import json, sys
assert json.load(sys.stdin)["publication"]["output"] == "good"
print('{"table_version": 0}')
"""
    bad = [PUBLICATION | {"output": f"bad{n}"} for n in range(3)]
    records = Records([*bad, PUBLICATION | {"output": "good"}])
    publisher = Publisher(records, connections, ManualClock(), process(code), at_once=4)
    for each in bad:
        publisher._later.failed((RUN, each["output"]), 1000.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("control_room.reactor.publisher.BATCH", 1)
        await publisher.publish()
    assert [output for _, output, _ in records.settled] == ["good"]


async def test_a_commit_is_given_time_for_its_bytes() -> None:
    large = PUBLICATION | {"files": [{"size": 5 * 1024**3}]}
    assert seconds_for(PUBLICATION) == executors_seconds_for(PUBLICATION) == 300
    assert seconds_for(large) == executors_seconds_for(large) == 300 + 2560
    slow = process("import time; time.sleep(1); print('{\"table_version\": 3}')", timeout=0.5)
    file = {"size": 120 * 1024**2}
    assert (await slow.commit(PUBLICATION | {"files": [file]}, CONNECTION))["table_version"] == 3


async def test_a_commit_that_hangs_is_killed() -> None:
    with pytest.raises(CommitError, match="longer than") as caught:
        await process("import time; time.sleep(60)", timeout=0.2).commit(PUBLICATION, CONNECTION)
    assert caught.value.transient


def test_the_process_gets_no_settings_of_the_server() -> None:
    whole = {"PATH": "/bin", "HOME": "/h", "OPS_TOKEN": "s", "PGPASSWORD": "s", "AWS_SECRET_ACCESS_KEY": "s"}
    assert scrubbed(whole) == {"PATH": "/bin", "HOME": "/h"}


@pytest.mark.parametrize("out", [b"", b"no json", b"[]", b'{"table_version": "1"}'])
def test_an_answer_that_makes_no_sense_is_a_passing_failure(out: bytes) -> None:
    with pytest.raises(CommitError) as caught:
        read_answer(0, out, b"")
    assert caught.value.transient


def test_the_connection_with_the_longest_fitting_root_is_taken() -> None:
    known = {"a": {"root": "s3://lakehouse"}, "b": {"root": "s3://lakehouse/deep", "k": 1}, "c": {}}
    assert connection_for("s3://lakehouse/deep/t", known)["k"] == 1
    assert connection_for("s3://lakehouse/deeper/t", known)["root"] == "s3://lakehouse"
    with pytest.raises(ConnectionsError, match="no connection has a root"):
        connection_for("s3://lakehouse2/t", known)


def test_a_broken_connections_file_is_told_without_its_text(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"secret_key": hush')
    with pytest.raises(ConnectionsError) as caught:
        read_connections(path)
    assert "hush" not in str(caught.value)


def test_what_is_no_longer_pending_is_forgotten() -> None:
    later = RetryLater()
    later.failed(("r", "o"), 0)
    later.keep(set())
    assert ("r", "o") not in later.held(0)

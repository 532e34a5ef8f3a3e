"""Large artifacts go up in parts through lost connections, restarted servers and killed executors."""

from __future__ import annotations

import hashlib
import re
import signal
import threading
from collections.abc import Iterator

import pytest

from tests.executors.proxy import Proxy
from tests.executors.room import Json, Room, wait_for

MIB = 2**20
PART = 5 * MIB
PARTS = 8
SIZE = (PARTS - 1) * PART + 1000
# The same bytes in each attempt; told apart from all other tests' by the run's number.
TASK = (
    "import hashlib\n"
    "def main(context):\n"
    "    block = hashlib.sha256(context.run_id.encode()).digest() * 32768\n"
    f"    data = b''.join(bytes([n]) + block[1:] for n in range({SIZE // MIB + 1}))[:{SIZE}]\n"
    "    context.artifact('large.bin', data)\n"
    "    return hashlib.sha256(data).hexdigest()\n"
)


class StoreRelay(Proxy):
    """Between everybody and the store. ``parts``: numbers of the parts that went through, in order."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.parts: list[int] = []
        self.open_for = PARTS * 10  # parts; then they wait for `go_on`
        self.go_on = threading.Event()

    def _loses(self, path: bytes, answer: bytes) -> bool:
        if found := re.search(rb"partNumber=([0-9]+)", path):
            if len(self.parts) >= self.open_for:
                self.go_on.wait(60)
            self.parts.append(int(found[1]))
        return super()._loses(path, answer)


@pytest.fixture
def relay(control_room: Room) -> Iterator[StoreRelay]:
    """The control room's store behind a relay, in small parts."""
    found = StoreRelay(control_room.store.ports["s3.port"])
    control_room.stop_server()
    control_room.server_settings |= {"OPS_S3_ENDPOINT": found.url, "OPS_PART_BYTES": str(PART)}
    control_room.start_server()
    yield found
    found.go_on.set()
    found.close()


def large(room: Room, run: Json) -> bytes:
    """The artifact, which is the task's very bytes."""
    assert run["state"] == "succeeded", run["error"]
    data = room.artifacts(run["run_id"])["large.bin"]
    assert (len(data), hashlib.sha256(data).hexdigest()) == (SIZE, run["result"]["value"])
    return data


def test_a_large_artifact_goes_up_in_parts_and_a_small_one_does_not(control_room: Room, relay: StoreRelay) -> None:
    control_room.executor(resume_bytes=str(PART))
    large(control_room, control_room.ended(control_room.submit({"task.py": TASK})))
    assert sorted(relay.parts) == list(range(1, PARTS + 1))
    small = "def main(context):\n    context.artifact('small.txt', 'x' * 1000 + context.run_id)\n"
    assert control_room.ended(control_room.submit({"task.py": small}))["state"] == "succeeded"
    assert len(relay.parts) == PARTS


def test_who_asks_for_it_gets_parts_below_the_setting(control_room: Room, relay: StoreRelay) -> None:
    control_room.executor()
    asked = TASK.replace("data)\n    return", "data, resume=True)\n    return")
    large(control_room, control_room.ended(control_room.submit({"task.py": asked})))
    assert sorted(relay.parts) == list(range(1, PARTS + 1))


def test_a_part_whose_answer_was_lost_is_sent_again_alone(control_room: Room, relay: StoreRelay) -> None:
    control_room.executor(resume_bytes=str(PART))
    relay.open_for = 0
    run = control_room.submit({"task.py": TASK})
    control_room.running(run)
    for _ in range(3):
        relay.lose_answer("", b"x-amz-checksum-sha256")
        relay.lose_answer("", b"X-Amz-Checksum-Sha256")
    relay.go_on.set()
    large(control_room, control_room.ended(run))
    assert relay.lost >= 3
    assert PARTS + 3 <= len(relay.parts) <= PARTS + relay.lost


def test_an_executor_killed_in_mid_upload_is_followed_by_one_that_sends_the_rest(
    control_room: Room, relay: StoreRelay
) -> None:
    relay.open_for = 3
    first = control_room.executor(resume_bytes=str(PART))
    run = control_room.submit({"task.py": TASK})
    wait_for("three parts to be there", lambda: len(relay.parts) >= 3, 40)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    held = list(relay.parts)
    assert control_room.artifacts(run) == {}
    relay.parts.clear()
    relay.open_for = PARTS * 10
    relay.go_on.set()
    control_room.executor(resume_bytes=str(PART), work_dir=str(first.work_dir))
    ended = control_room.ended(run, 60)
    assert ended["epoch"] > 1
    large(control_room, ended)
    sent_again = set(relay.parts) & set(held)
    assert len(sent_again) < len(held), (held, relay.parts)


def test_a_server_that_goes_away_in_mid_upload_and_comes_back(control_room: Room, relay: StoreRelay) -> None:
    relay.open_for = 3
    control_room.executor(resume_bytes=str(PART))
    run = control_room.submit({"task.py": TASK}, lease_seconds=60)
    wait_for("three parts to be there", lambda: len(relay.parts) >= 3, 40)
    control_room.stop_server()
    relay.go_on.set()
    control_room.start_server()
    ended = control_room.ended(run, 60)
    assert ended["epoch"] == 1
    large(control_room, ended)


def test_many_small_artifacts_are_kept_and_the_one_beyond_the_cap_is_refused(
    control_room: Room, relay: StoreRelay
) -> None:
    control_room.executor()
    task = (
        "def main(context):\n"
        "    for n in range(300):\n"
        "        context.artifact(f'small/{n}.txt', f'{context.run_id} {n}')\n"
    )
    for _ in range(3):
        relay.lose_answer("", b"x-amz-checksum-sha256")
        relay.lose_answer("", b"X-Amz-Checksum-Sha256")
    run = control_room.ended(control_room.submit({"task.py": task}), 90)
    assert run["state"] == "succeeded", run["error"]
    kept = control_room.artifacts(run["run_id"])
    assert kept == {f"small/{n}.txt": f"{run['run_id']} {n}".encode() for n in range(300)}
    capped = control_room.ended(
        control_room.submit({"task.py": task}, caps={"artifact_count": 100}, retry={"max_attempts": 1}), 90
    )
    assert capped["attempts"][-1]["outcome"] == "capped"
    assert len(control_room.artifacts(capped["run_id"])) <= 100

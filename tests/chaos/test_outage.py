"""The control room is away for longer than a lease: whoever works on is not robbed when it comes back."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from tests.chaos.world import World, world
from tests.executors.room import wait_for
from tests.support.invariants import violations
from tests.support.postgres import stop_clusters_at_the_end
from tests.support.seaweed import Seaweed, own_object_store

__all__ = ["own_object_store", "stop_clusters_at_the_end"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def submit(room: World, seconds: float) -> str:
    body = {"template": "light", "params": {"seconds": seconds}}
    return str(room.call("submit_run", room.operator, body)["run_id"])


def put_lease(room: World, lease_seconds: int) -> None:
    spec = room.call("get_template", room.operator, "light", None)["spec"]
    room.call("put_template", room.operator, "light", spec | {"lease_seconds": lease_seconds})


def test_a_server_stopped_for_twice_the_lease_loses_no_healthy_run(own_object_store: Seaweed, tmp_path: Path) -> None:
    lease_seconds = 20
    with world(own_object_store, tmp_path, random.Random(1)) as room:
        put_lease(room, lease_seconds)
        runs = [submit(room, 2 * lease_seconds + 8) for _ in range(3)]
        wait_for("all to work", lambda: all(room.run(run)["state"] == "running" for run in runs), 60)
        room.stop_server(signal.SIGKILL)
        time.sleep(2 * lease_seconds)  # the outage itself
        room.start_server()
        wait_for("all to end", lambda: all(room.run(run)["finished_at"] for run in runs), 120)
        assert [(room.run(run)["state"], room.run(run)["attempt"]) for run in runs] == [("succeeded", 1)] * 3
        with room.database.connect() as connection:
            assert violations(connection) == []

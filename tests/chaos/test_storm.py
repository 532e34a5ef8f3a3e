"""Everything dies and the network lies, at moments drawn by chance, while runs come in; then the books are read.

OPS_CHAOS_SECONDS (60): how long the storm lasts. OPS_SEED: the chance of an earlier storm, printed by each.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.proxy import KINDS
from tests.chaos.world import ROWS, SKEWS, World, world
from tests.executors.room import wait_for
from tests.support.invariants import CHAINS, INVARIANTS, violations
from tests.support.postgres import stop_clusters_at_the_end
from tests.support.seaweed import Seaweed, own_object_store

__all__ = ["own_object_store", "stop_clusters_at_the_end"]
SECONDS = float(os.environ.get("OPS_CHAOS_SECONDS", "60"))
SETTLE_SECONDS = 180 + SECONDS
RUNS_PER_SECOND = 1.2
# What is done, and how often in comparison.
PROCESSES = {"kill_executor": 3, "kill_child": 5, "kill_server": 2, "kill_backend": 2, "kill_postmaster": 1}
NETWORK = dict.fromkeys(KINDS, 3)
OF_TABLES = (
    "each accepted success of a publishing task left its rows exactly once",
    "no row of an attempt that lost or failed is in a table",
    "each visible artifact is stored, and is the one of the epoch that won",
    "each run whose submit was answered is there",
    "each run has ended, or can be claimed, or is held",
)


class Load:
    """Submits until told to stop; `accepted` are the runs that the server said it took."""

    def __init__(self, room: World) -> None:
        self.room, self.accepted, self.tried = room, set[str](), 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self.room.client() as client:
            while not self._over.wait(1 / RUNS_PER_SECOND):
                self.tried += 1
                if found := self.room.submit_some(client, self.tried):
                    self.accepted.add(found)

    def stop(self) -> None:
        self._over.set()
        self._thread.join(30)


def storm(room: World, chance: random.Random, seconds: float) -> Counter[str]:
    """Break things for so long; how often what was broken."""
    done: Counter[str] = Counter()
    weights = PROCESSES | NETWORK
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        kind = chance.choices(list(weights), list(weights.values()))[0]
        if kind in PROCESSES:
            done[kind] += bool(getattr(room, kind)())
        else:
            network = chance.choice(room.networks)
            network.disturb(kind, chance.randint(1, 6), chance.uniform(0.2, 4))
        time.sleep(chance.uniform(0, 1.5))  # the moments are the test
    room.await_database()
    room.await_server()
    for network in room.networks:
        network.calm()
        done.update({f"network {kind}": count for kind, count in network.counts.items()})
    return done


def over(room: World) -> bool:
    return not room.query("select 1 from ops.runs where state in ('waiting', 'queued', 'running') limit 1")


def books(room: World, accepted: set[str]) -> list[str]:
    """What does not hold, from the database, the tables and the store."""
    with room.database.connect() as connection:
        found = violations(connection)
    return found + wrong_rows(room) + wrong_artifacts(room) + wrong_runs(room, accepted)


def wrong_rows(room: World) -> list[str]:
    known = {
        (run, epoch): state
        for run, epoch, state in room.query("select run_id::text, epoch, state from ops.publications")
    }
    written = room.written()
    committed = [key for key, state in known.items() if state == "committed"]
    # a run that is publishing may have its rows out before that is on record: all of them or none
    torn = [key for key, state in known.items() if state == "recorded" and written[key] not in (0, ROWS)]
    lost = [f"{OF_TABLES[0]}: {key} has {written[key]}" for key in committed if written[key] != ROWS]
    strange = [key for key in written if known.get(key) not in ("committed", "recorded")]
    return lost + [f"{OF_TABLES[1]}: {key} has {written[key]}" for key in strange + torn]


def wrong_artifacts(room: World) -> list[str]:
    wrong = []
    client = room.store.client()
    for run, epoch, key in room.query(
        "select f.run_id::text, f.epoch, f.object_key from ops.artifacts f where f.state = 'visible'"
    ):
        said = client.get_object(Bucket="artifacts", Key=key)["Body"].read().decode()
        if said != f"{run} {epoch}":
            wrong.append(f"{OF_TABLES[2]}: {run} {epoch} shows {said!r}")
    return wrong


def wrong_runs(room: World, accepted: set[str]) -> list[str]:
    there = dict(room.query("select run_id::text, state from ops.runs"))
    missing = [f"{OF_TABLES[3]}: {run}" for run in accepted - set(there)]
    going = room.query(
        "select run_id::text, state, state_reason from ops.runs r where state = 'running' and not exists"
        " (select from ops.leases l where l.run_id = r.run_id)"
        " or state = 'waiting' and (state_reason <> 'retry_backoff' or not_before is null)"
    )
    return missing + [f"{OF_TABLES[4]}: {row}" for row in going]


@pytest.mark.slow
@pytest.mark.timeout(900 + 3 * SECONDS)
def test_the_books_are_right_after_a_storm(
    own_object_store: Seaweed,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = int(os.environ.get("OPS_SEED") or secrets.randbelow(2**32))
    chance = random.Random(seed)
    with capsys.disabled(), world(own_object_store, tmp_path, chance) as room:
        say(f"a storm of {SECONDS:g} s; the same again: OPS_SEED={seed} OPS_CHAOS_SECONDS={SECONDS:g}")
        load = Load(room)
        wait_for("the first run to end", lambda: room.query("select 1 from ops.runs where state = 'succeeded'"), 240)
        faults = storm(room, chance, SECONDS)
        load.stop()
        wait_for_the_end(room)
        wrong = books(room, load.accepted)
        summary = told(room, load, faults, wrong)
        say(json.dumps(summary, indent=2))
        assert wrong == []
        assert summary["runs"].get("succeeded", 0) > 0
        assert sum(summary["faults injected"].values()) >= SECONDS / 6


def wait_for_the_end(room: World) -> None:
    """Runs end once the storm is over; those that have not by then are judged as they stand."""
    try:
        wait_for("all runs to end", lambda: over(room), SETTLE_SECONDS)
    except AssertionError as late:
        say(f"{late}: {room.query('select state, state_reason, count(*) from ops.runs group by 1, 2')}")


def told(room: World, load: Load, faults: Counter[str], wrong: list[str]) -> dict[str, Any]:
    states = dict(room.query("select state, count(*) from ops.runs group by 1"))
    attempts = dict(room.query("select outcome, count(*) from ops.attempts group by 1"))
    (events,) = room.query("select count(*) from ops.events")[0]
    return {
        "faults injected": dict(sorted(faults.items())),
        "clock skew of the executors, s": list(SKEWS),
        "submits tried": load.tried,
        "submits answered": len(load.accepted),
        "runs": states,
        "attempts": attempts,
        "events": events,
        "rows in tables": sum(room.written().values()),
        "invariants checked": len(INVARIANTS) + len(OF_TABLES) + 1,
        "of these over every event": CHAINS,
        "violations": len(wrong),
    }


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what a storm did is its result

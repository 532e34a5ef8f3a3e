"""Everything dies and the network lies, at moments drawn by chance, while runs come in; then the books are read.

OPS_CHAOS_SECONDS (60): how long the storm lasts; one of less than 20 may miss somebody. OPS_SEED: the chance of an
earlier storm, printed by each.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import secrets
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.books import OF_THE_END, books, of_exchanges, settle
from tests.chaos.exchanger import KIND
from tests.chaos.proxy import KINDS
from tests.chaos.world import SKEWS, World, world
from tests.executors.room import wait_for
from tests.support.invariants import CHAINS, INVARIANTS
from tests.support.postgres import stop_clusters_at_the_end
from tests.support.seaweed import Seaweed, own_object_store

__all__ = ["own_object_store", "stop_clusters_at_the_end"]
SECONDS = float(os.environ.get("OPS_CHAOS_SECONDS", "60"))
SETTLE_SECONDS = 180 + SECONDS
# {runs per second: templates in turn}: those of the executors that ship, and those to be exchanged
LOADS = {1.2: ("append", "append", "light", "turns"), 10.0: ("swap",)}
# What is done, and how often in comparison.
PROCESSES = {"kill_executor": 3, "kill_child": 5, "kill_server": 2, "kill_backend": 2, "kill_postmaster": 1}
PROCESSES |= {"kill_exchanger": 2}
NETWORK = dict.fromkeys(KINDS, 3)


class Load:
    """Submits until told to stop; `accepted` are the runs that the server said it took."""

    def __init__(self, room: World) -> None:
        self.room, self.accepted, self.tried = room, set[str](), 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=load, daemon=True) for load in LOADS.items()]
        for thread in self._threads:
            thread.start()

    def _run(self, per_second: float, templates: tuple[str, ...]) -> None:
        with self.room.client() as client:
            for number in itertools.count():
                if self._over.wait(1 / per_second):
                    return
                self.tried += 1
                if found := self.room.submit_some(client, templates[number % len(templates)], number):
                    self.accepted.add(found)

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


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
            *others, exchanging = room.networks
            network = chance.choice([*others, *[exchanging] * len(others)])
            network.disturb(kind, chance.randint(1, 6), chance.uniform(0.2, 4))
        time.sleep(chance.uniform(0, 1.5))  # the moments are the test
    room.await_database()
    room.await_server()
    for network in room.networks:
        network.calm()
        done.update({f"network {kind}": count for kind, count in network.counts.items()})
    return done


def abandon(room: World) -> list[Any]:
    """The last fault: who exchanges dies, and what it holds, (run, epoch) each, only the sweeper can take back."""
    held = "select l.run_id, l.epoch from ops.leases l join ops.runs r using (run_id) where r.kind = %s"
    wait_for("somebody to hold runs by an exchange", lambda: room.query(held, KIND), 60)
    room.stop_exchanger(signal.SIGKILL)
    left = room.query(held, KIND)
    room.start_exchanger()
    return left


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
        left = abandon(room)
        load.stop()
        late = settle(room, SETTLE_SECONDS)
        assert room.stop_exchanger() == 0, (room.folder / "exchanger.log").read_text()[-3000:]
        wrong = books(room, load.accepted, late)
        summary = told(room, load, faults, wrong) | {"left to the sweeper at the end": swept(room, left)}
        say(json.dumps(summary, indent=2))
        say("\n".join(wrong))
        assert wrong == []
        assert summary["runs"].get("succeeded", 0) > 0
        assert 0 not in summary["by exchange"].values(), "the storm was too short to meet every way of an exchange"
        assert sum(summary["faults injected"].values()) >= SECONDS / 6


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
        "by exchange": of_exchanges(room),
        "rows in tables": sum(room.written().values()),
        "invariants checked": len(INVARIANTS) + len(OF_THE_END) + 1,
        "of these over every event": CHAINS,
        "violations": len(wrong),
    }


def swept(room: World, left: list[Any]) -> dict[str, int]:
    """How the attempts ended that were left behind: a report under way when the process died counts, too."""
    found = [room.query("select outcome from ops.attempts where run_id = %s and epoch = %s", *token) for token in left]
    return dict(Counter(outcome for ((outcome,),) in found))


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what a storm did is its result

"""What a storm must have left, read from the database, the tables, the store and what its parties were told."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from tests.chaos.world import LEASE_SECONDS, ROWS, World
from tests.support.invariants import violations

# How long after a deadline, or after the calm began, a lease may be there that nobody renews: the sweeper expires
# nothing for one lease length after an outage of its own, and then has this long.
SWEEP_SECONDS = 15
REFUSALS = {"lease_lost", "already_reported"}
OF_THE_END = (
    "each accepted success of a publishing task left its rows exactly once",
    "no row of an attempt that lost or failed is in a table",
    "each visible artifact is stored, and is the one of the epoch that won",
    "each run whose submit was answered is there",
    "each run has ended",
    "no lease was there long after its deadline",
    "no answer of an exchange contradicts an earlier one",
    "each report that an exchange accepted is on record, with its outcome",
    "each claim of an exchange was told to one executor, and is on record as its",
    "an exchange refused reports of lost attempts and another outcome than the one on record, and nothing else",
)


def books(room: World, accepted: set[str], late: set[str]) -> list[str]:
    """What does not hold, a line each. accepted: runs whose submit was answered; late: what `settle` found."""
    with room.database.connect() as connection:
        found = violations(connection)
    found += wrong_rows(room) + wrong_artifacts(room) + wrong_runs(room, accepted)
    return found + [f"{OF_THE_END[5]}: {lease}" for lease in sorted(late)] + wrong_exchanges(room)


def settle(room: World, seconds: float) -> set[str]:
    """Wait until every run has ended, for so long at most. Returns the leases that were found too late meanwhile."""
    (calm,) = room.query("select ops.now()")[0]
    late: set[str] = set()
    end = time.monotonic() + seconds
    while going(room) and time.monotonic() < end:
        late |= {f"run {run}, epoch {epoch}, due {due}" for run, epoch, due in late_leases(room, calm)}
        time.sleep(0.1)
    return late


def going(room: World) -> list[Any]:
    """(run, state, reason) of those that have not ended."""
    return room.query(
        "select run_id::text, state, state_reason from ops.runs where state in ('waiting', 'queued', 'running')"
    )


def late_leases(room: World, calm: Any) -> list[Any]:
    """(run, epoch, deadline); a reported run publishes and keeps its lease for as long as it takes."""
    return room.query(
        "select run_id::text, epoch, lease_deadline::text from ops.leases where reported_at is null"
        " and greatest(lease_deadline, %s) + make_interval(secs => %s) < ops.now()",
        calm,
        LEASE_SECONDS + SWEEP_SECONDS,
    )


def wrong_rows(room: World) -> list[str]:
    known = {
        (run, epoch): state
        for run, epoch, state in room.query("select run_id::text, epoch, state from ops.publications")
    }
    written = room.written()
    committed = [key for key, state in known.items() if state == "committed"]
    # a run that is publishing may have its rows out before that is on record: all of them or none
    torn = [key for key, state in known.items() if state == "recorded" and written[key] not in (0, ROWS)]
    lost = [f"{OF_THE_END[0]}: {key} has {written[key]}" for key in committed if written[key] != ROWS]
    strange = [key for key in written if known.get(key) not in ("committed", "recorded")]
    return lost + [f"{OF_THE_END[1]}: {key} has {written[key]}" for key in strange + torn]


def wrong_artifacts(room: World) -> list[str]:
    wrong = []
    client = room.store.client()
    for run, epoch, key in room.query(
        "select f.run_id::text, f.epoch, f.object_key from ops.artifacts f where f.state = 'visible'"
    ):
        said = client.get_object(Bucket="artifacts", Key=key)["Body"].read().decode()
        if said != f"{run} {epoch}":
            wrong.append(f"{OF_THE_END[2]}: {run} {epoch} shows {said!r}")
    return wrong


def wrong_runs(room: World, accepted: set[str]) -> list[str]:
    there = {run for (run,) in room.query("select run_id::text from ops.runs")}
    missing = [f"{OF_THE_END[3]}: {run}" for run in accepted - there]
    return missing + [f"{OF_THE_END[4]}: {row}" for row in going(room)]


def wrong_exchanges(room: World) -> list[str]:
    told = room.told()
    found = room.query("select run_id::text, epoch, outcome, executor_id::text, reported_at from ops.attempts")
    reported = {(run, epoch): outcome for run, epoch, outcome, _, at in found if at is not None}
    holder = {(run, epoch): executor for run, epoch, _, executor, _ in found}
    return [
        *(f"{OF_THE_END[6]}: {wrong}" for line in told for wrong in line.get("wrong", [])),
        *(
            f"{OF_THE_END[7]}: {run} {epoch} {outcome}, but {reported.get((run, epoch))}"
            for line in told
            for run, epoch, outcome in line.get("accepted", [])
            if reported.get((run, epoch)) != outcome
        ),
        *(
            f"{OF_THE_END[8]}: {run} {epoch} {executor}, but {holder.get((run, epoch))}"
            for line in told
            for run, epoch, executor in line.get("claimed", [])
            if holder.get((run, epoch)) != executor
        ),
        *(f"{OF_THE_END[9]}: {code}" for line in told for code in line.get("refused", []) if code not in REFUSALS),
    ]


def of_exchanges(room: World) -> dict[str, int]:
    """How much went through `exchange`."""
    told, counts = room.told(), Counter[str]()
    for line in told:
        counts["exchanges answered"] += "accepted" in line
        counts["asked for again, no answer"] += line.get("lost", 0)
        counts["asked for again on purpose"] += line.get("again", 0)
        counts["runs claimed"] += len(line.get("claimed", []))
        counts["reports accepted"] += len(line.get("accepted", []))
        counts["reports refused"] += len(line.get("refused", []))
    return dict(counts)

"""What must hold of the ops schema at every moment between two transactions, whatever happened before.

Each invariant is a query that finds nothing when all is well; what it finds is the violation. The state machine looks
after each of its steps, the chaos run at its end. Nothing here uses the functions it judges, but ops.verify_events, and
the chain is recomputed besides.
"""

from __future__ import annotations

import hashlib
from typing import Any

import psycopg

INVARIANTS: dict[str, str] = {
    "a run is queued exactly while it has a place in the ready index": """
        select run_id, state, ready_seq from ops.runs where (state = 'queued') <> (ready_seq is not null)""",
    "two ready runs share no place in the ready index": """
        select ready_seq from ops.runs where ready_seq is not null group by ready_seq having count(*) > 1""",
    "a run that is no pipeline is running exactly while a lease of its epoch is there": """
        select run_id, r.state, r.epoch, l.epoch as lease from ops.runs r full join ops.leases l using (run_id)
         where (r.state = 'running' and r.kind <> 'pipeline') <> (l.run_id is not null)
            or l.epoch <> r.epoch or l.executor_id <> r.executor_id""",
    "an attempt is open exactly while its lease is there and nothing is reported": """
        select run_id, epoch, a.outcome from ops.attempts a full join ops.leases l using (run_id, epoch)
         where (coalesce(a.outcome, 'none') = 'running') <> (l.run_id is not null and l.reported_at is null)
            or (l.reported_at is not null and a.reported_at is null)""",
    "the epoch has risen at each claim and each revocation, and nowhere else": """
        select r.run_id, r.epoch, count(a.epoch) as claims from ops.runs r left join ops.attempts a using (run_id)
         group by r.run_id having r.epoch <> count(a.epoch)
             + count(*) filter (where a.outcome = 'expired' or (a.outcome = 'cancelled' and a.reported_at is null))""",
    "attempts are numbered without gaps": """
        select r.run_id, r.attempt from ops.runs r left join ops.attempts a using (run_id)
         group by r.run_id having r.attempt <> count(a.epoch)
             or (count(a.epoch) > 0 and (min(a.attempt), max(a.attempt)) <> (1, count(a.epoch)))""",
    "a run that has succeeded has exactly one accepted success, its last attempt": """
        select r.run_id from ops.runs r where r.state = 'succeeded' and r.kind <> 'pipeline' and r.reused_from is null
           and (select count(*) from ops.attempts a where a.run_id = r.run_id and a.reported_at is not null
                   and a.outcome = 'succeeded' and a.epoch = r.epoch) <> 1""",
    "a run that reused another's work made no attempt, and the other one succeeded by itself": """
        select r.run_id, o.state, o.reused_from from ops.runs r left join ops.runs o on o.run_id = r.reused_from
         where r.reused_from is not null and (r.state <> 'succeeded' or r.epoch <> 0 or o.state <> 'succeeded'
             or o.reused_from is not null or o.workspace <> r.workspace)""",
    "no run has two accepted successes": """
        select run_id from ops.attempts where reported_at is not null and outcome = 'succeeded'
         group by run_id having count(*) > 1""",
    "a success is followed by no other attempt": """
        select a.run_id, a.epoch from ops.attempts a join ops.attempts b on b.run_id = a.run_id and b.epoch > a.epoch
         where a.outcome = 'succeeded'""",
    "each accepted report is told by one event": """
        select a.run_id, a.epoch, count(e.seq) from ops.attempts a
          left join ops.events e on e.run_id = a.run_id and e.epoch = a.epoch
           and e.canonical::jsonb -> 'data' ? 'report_digest'
         group by a.run_id, a.epoch, a.reported_at having count(e.seq) <> (a.reported_at is not null)::int""",
    "a run has ended exactly when one event tells its end": """
        select r.run_id, r.state, count(e.seq) from ops.runs r left join ops.events e on e.run_id = r.run_id
           and e.type in ('run.succeeded', 'run.failed', 'run.cancelled', 'run.skipped')
         group by r.run_id
        having count(e.seq) <> (r.state in ('succeeded', 'failed', 'cancelled', 'skipped'))::int
            or bool_or(e.type <> 'run.' || r.state)""",
    "nothing happens to a run after its end": """
        select e.run_id, e.seq, e.type from ops.events e join ops.events t on t.run_id = e.run_id and t.seq < e.seq
           and t.type in ('run.succeeded', 'run.failed', 'run.cancelled', 'run.skipped')
         where e.type not in ('report.differs', 'run.escalated')""",
    "no concurrency key is held more often than its limit": """
        select k.key, k."limit", count(l.run_id) from ops.concurrency_keys k
          join ops.leases l on l.workspace = k.workspace and l.concurrency_key = k.key
         group by k.workspace, k.key having count(l.run_id) > k."limit" """,
    "an artifact is visible only by the accepted report of its epoch": """
        select f.artifact_id, f.state, a.outcome from ops.artifacts f join ops.attempts a using (run_id, epoch)
         where f.state = 'visible' and a.reported_at is null""",
    "an attempt that has ended leaves no artifact open": """
        select f.artifact_id, f.state, a.outcome from ops.artifacts f join ops.attempts a using (run_id, epoch)
         where f.state in ('begun', 'recorded') and a.outcome <> 'running'""",
    "an attempt that lost its lease shows no artifact": """
        select f.artifact_id, f.state, a.outcome from ops.artifacts f join ops.attempts a using (run_id, epoch)
         where a.outcome <> 'running' and a.reported_at is null and f.state <> 'orphaned'""",
    "only an accepted success publishes": """
        select p.run_id, p.epoch, a.outcome from ops.publications p join ops.attempts a using (run_id, epoch)
         where a.outcome <> 'succeeded' or a.reported_at is null""",
    "a run publishes exactly while a publication is pending": """
        select r.run_id, r.state from ops.runs r
         where coalesce(r.state = 'running' and r.state_reason = 'publishing', false)
            <> exists (select from ops.publications p where p.run_id = r.run_id and p.state = 'recorded')""",
    "a run with a committed and no failed publication has succeeded or is publishing": """
        select r.run_id, r.state from ops.runs r join ops.publications p using (run_id) group by r.run_id
        having not (bool_and(p.state <> 'failed') and r.state in ('running', 'succeeded')
                    or bool_or(p.state = 'failed') and r.state = 'failed')""",
    "a run that waits for its parents still has to": """
        select r.run_id, v.done, v.parents from ops.runs r cross join lateral (
          select count(*) as parents,
                 count(*) filter (where p.state in ('succeeded', 'failed', 'cancelled', 'skipped')) as done
            from ops.run_dependencies d join ops.runs p on p.run_id = d.depends_on where d.run_id = r.run_id) v
         where r.state = 'waiting' and r.state_reason = 'waiting_on_dependency' and v.parents = v.done""",
    "a pipeline has ended exactly when all its tasks have": """
        select p.run_id, p.state from ops.runs p left join ops.runs c on c.pipeline_run_id = p.run_id
         where p.kind = 'pipeline' group by p.run_id
        having (p.state in ('succeeded', 'failed', 'cancelled', 'skipped'))
            <> coalesce(bool_and(c.state in ('succeeded', 'failed', 'cancelled', 'skipped')), true)""",
    "no task is ready or runs while its pipeline waits for other runs": """
        select c.run_id, c.state, p.run_id from ops.runs c join ops.runs p on p.run_id = c.pipeline_run_id
         where p.state_reason = 'waiting_on_dependency' and c.state in ('queued', 'running')""",
    "a task that waits for its pipeline still has to": """
        select c.run_id, p.state, p.state_reason from ops.runs c join ops.runs p on p.run_id = c.pipeline_run_id
         where c.state_reason = 'waiting_on_pipeline' and p.state_reason is distinct from 'waiting_on_dependency'""",
    "a run that was not started in time has failed, and the ledger of caps says by how much": """
        select r.run_id, r.state from ops.runs r where r.state_reason = 'queue_seconds'
           and (r.state <> 'failed' or not exists (
             select from ops.cap_ledger c
              where c.run_id = r.run_id and c.cap = 'queue_seconds' and c.observed > c."limit"))""",
    "no dedupe key is held by two": """
        select workspace, dedupe_key, count(*) from ops.runs where state in ('waiting', 'queued', 'running')
           and dedupe_key is not null group by 1, 2 having count(*) > 1""",
    "every run that has not ended can go on": """
        select run_id, state, state_reason, not_before from ops.runs where kind <> 'pipeline'
           and (state = 'waiting' and state_reason in ('not_before', 'retry_backoff') and not_before is null
             or state = 'waiting' and state_reason not in ('not_before', 'retry_backoff', 'waiting_on_dependency',
                                                           'waiting_on_pipeline', 'rerun_unsafe', 'held_by_rule',
                                                           'budget_exhausted')
             or state = 'queued' and not paused and not exists (
               select from ops.queue_floors f where f.queue = runs.queue and f.kind = runs.kind
                  and f.priority = runs.priority and f.floor_seq <= runs.ready_seq))""",
}
CHAINS = "each run's events are a gapless hash chain that ends at the run's head"


def violations(connection: psycopg.Connection[Any], *, chains: bool = True) -> list[str]:
    """What does not hold, one line each; [] when all is well."""
    found = []
    for name, query in INVARIANTS.items():
        found += [f"{name}: {row}" for row in connection.execute(query).fetchall()]
    return found + (broken_chains(connection) if chains else [])


def broken_chains(connection: psycopg.Connection[Any], run_ids: list[str] | None = None) -> list[str]:
    """Runs (all by default) whose events are no chain, recomputed here and by ops.verify_events."""
    heads = connection.execute(
        "select run_id, event_seq, event_head, ops.verify_events(run_id) from ops.runs"
        " where %(ids)s::uuid[] is null or run_id = any (%(ids)s::uuid[])",
        {"ids": run_ids},
    ).fetchall()
    events: dict[Any, list[Any]] = {run_id: [] for run_id, *_ in heads}
    for row in connection.execute(
        "select run_id, seq, canonical, prev_hash, hash from ops.events"
        " where %(ids)s::uuid[] is null or run_id = any (%(ids)s::uuid[]) order by run_id, seq",
        {"ids": run_ids},
    ):
        events[row[0]].append(row[1:])
    return [
        f"{CHAINS}: {run_id} {verdict}"
        for run_id, seq, head, verdict in heads
        if not verdict["ok"] or chain_end(events[run_id]) != (seq, head)
    ]


def chain_end(events: list[Any]) -> tuple[int, bytes] | None:
    """(seq, hash) of the last event; None when the chain is broken."""
    last, number = bytes(32), 0
    for seq, canonical, prev_hash, kept in events:
        number += 1
        if seq != number or prev_hash != last or kept != hashlib.sha256(last + canonical.encode()).digest():
            return None
        last = kept
    return number, last

"""The floor: pgbench with plain SQL that writes the same rows (run, attempt, events), without hashing and checks.

One statement, and so one commit, reports the runs that the client holds and claims the next, as an exchange does. The
tables have the columns of the schema's own, filled as widely, with the indexes that a queue needs and nothing else: no
foreign keys, CHECKs, triggers, leases, request ids, answers.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.bench.queue import cpu, room
from tests.bench.queue.cluster import DurableCluster
from tests.support.postgres import _step_down

SEEDED = "floor_seeded"
# While tables grow their statistics are behind: without this each report reads all attempts. Ours is set so too.
PLANS = " ".join(f"-c enable_{how}=off" for how in ("seqscan", "bitmapscan", "hashjoin", "mergejoin"))
MOST = 0.8  # of the queue is taken by a measured run
_SET_UP = """
create schema floor;
create table floor.runs (like ops.runs including defaults) with (fillfactor = 85);
create table floor.attempts (like ops.attempts including defaults) with (fillfactor = 85);
create table floor.events (like ops.events including defaults);
insert into floor.runs select * from ops.runs where state = 'queued';
insert into floor.events select e.* from ops.events e;
alter table floor.runs add primary key (run_id);
alter table floor.attempts add primary key (run_id, epoch);
alter table floor.events add primary key (run_id, seq);
create index on floor.runs (queue, kind, priority desc, ready_seq) where state = 'queued' and not paused;
alter table floor.runs set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
"""
# A colon before a letter or a digit would be a variable to pgbench.
_EVENT = """(run_id, seq, at, type, epoch, canonical, prev_hash, hash, xid)
  select run_id, {seq}, now(), '{type}', epoch, concat(
    '{{"actor":"executor: bench-0197a3c4","at":"', now(), '","data":{{"attempt": 1,"outcome":"succeeded",',
    '"report_digest":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","state":"x",',
    '"state_reason": null}},"epoch":',
    epoch, ',"run_id":"', run_id, '","seq": {seq},"type":"{type}"}}'),
    '\\x9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    '\\x9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', pg_current_xact_id() from {rows}"""
_DONE = """done as (
  update floor.runs set state = 'succeeded', finished_at = now(), result = '{}', usage = '{"wall_seconds": 0}',
      event_seq = 3 where run_id = any (:held ::uuid[]) returning run_id, epoch)"""
_PICKED = """started as (
  update floor.runs set state = 'running', ready_seq = null, epoch = 1, attempt = 1, started_at = now(),
      executor_id = template_id, event_seq = 2
   where run_id = any (array(
     select run_id from floor.runs where queue = 'default' and kind = 'python' and state = 'queued' and not paused
      order by priority desc, ready_seq limit {batch} for update skip locked)) returning run_id, epoch)"""
_REST = """closed as (
  update floor.attempts a set outcome = 'succeeded', finished_at = now(), reported_at = now(), usage = '{}',
      result = '{}', idempotency_key = a.run_id || '/1', report_digest =
      '\\x9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
    from done d where a.run_id = d.run_id and a.epoch = d.epoch),
told as (insert into floor.events FINISHED),
attempted as (insert into floor.attempts (run_id, epoch, attempt, executor_id, started_at, outcome)
  select run_id, epoch, 1, run_id, now(), 'running' from started),
told_too as (insert into floor.events STARTED)"""


def script(batch: int, bare: bool) -> str:
    """The pgbench script of one exchange of `batch` runs; bare: the run's row alone."""
    rest = _REST.replace("FINISHED", _EVENT.format(seq=3, type="run.succeeded", rows="done"))
    rest = rest.replace("STARTED", _EVENT.format(seq=2, type="run.started", rows="started"))
    parts = [_DONE, _PICKED.format(batch=batch)] + ([] if bare else [rest])
    answer = "select coalesce(array_agg(run_id), '{}')::text as held from started"
    return f"with {', '.join(parts)}\n{answer} \\gset\n"


def prepare(cluster: DurableCluster) -> None:
    """The seeded floor: the queued runs of the seeded product, in bare tables."""
    cluster.fresh(SEEDED, room.SEEDED)
    with cluster.connect(SEEDED) as connection:
        connection.execute(_SET_UP)  # type: ignore[arg-type]
        connection.execute("drop schema ops cascade")
        connection.execute("vacuum (analyze)")


def run(
    cluster: DurableCluster, folder: Path, *, batch: int, clients: int, queued: int, seconds: float, bare: bool
) -> tuple[float, float]:
    """(finished runs a second, CPU µs a run of all processes) on a fresh copy, after a short warm-up.

    It goes on until most of the queue is done, or for `seconds` where batches are of one.

    Raises RuntimeError when the queue ran dry: empty statements would have been counted.
    """
    cluster.fresh("floor", SEEDED)
    path = folder / f"floor-{batch}{'-bare' if bare else ''}.sql"
    path.write_text(script(batch, bare))
    path.chmod(0o644)
    each = int(queued * MOST / batch / clients)
    ends = ["-t", str(each)] if batch > 1 else ["-T", str(max(1, round(seconds)))]
    _pgbench(cluster, path, clients, ["-t", str(max(1, each // 20))])
    before = cpu.seconds(os.getpid())
    rate, transactions = _pgbench(cluster, path, clients, ends)
    spent = cpu.seconds(os.getpid()) - before
    with cluster.connect("floor") as connection:
        left = connection.execute("select 1 from floor.runs where state = 'queued' limit 1").fetchone()
    if left is None:
        raise RuntimeError("the floor's queue ran dry")
    return batch * rate, 1e6 * spent / (batch * transactions)


def _pgbench(cluster: DurableCluster, path: Path, clients: int, ends: list[str]) -> tuple[float, int]:
    """(transactions a second, transactions)."""
    command = [str(cluster.binaries / "pgbench"), "-n", "-M", "prepared", "-D", "held={}", "-f", str(path)]
    command += ["-c", str(clients), "-j", str(min(clients, 2)), "-h", str(cluster.home), "-U", "postgres", *ends]
    done = subprocess.run(
        [*command, "floor"],
        **{
            "capture_output": True,
            "text": True,
            "env": {**os.environ, "LC_ALL": "C", "PGOPTIONS": PLANS},
            "cwd": cluster.home,
        },
        **_step_down(),
    )
    found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    count = re.search(r"actually processed: (\d+)", done.stdout)
    if done.returncode != 0 or found is None or count is None:
        raise RuntimeError(f"pgbench: {done.stderr[-2000:]}")
    return float(found[1]), int(count[1])


def version(cluster: DurableCluster) -> str:
    """Of pgbench."""
    done = subprocess.run([str(cluster.binaries / "pgbench"), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()

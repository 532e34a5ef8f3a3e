-- Mutate and emit: runs start at the executors of the claims that they were picked for: epoch and attempt rise, a lease
-- and an attempt are made, one statement for all. Returns them in their order, with epochs and pipelines, which are the
-- caller's (ops.start_pipelines). The runs are locked since an earlier statement, and changed at their place, see
-- ops.report_plain.
create or replace function ops.start_runs(p_starts ops.member_start[]) returns ops.member_start[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_now     timestamptz := ops.now();
  v_at      text := ops.iso(v_now);
  v_started ops.member_start[];
begin
  if cardinality(p_starts) = 0 then
    return '{}';
  end if;
  with picked as materialized (
    select s.ordinal, s.n, s.reserved, s.executor_id, r.run_id, r.pipeline_run_id, r.epoch + 1 as epoch, r.attempt + 1 as attempt,
           r.event_seq + 1 as seq, r.event_head as prev_hash, r.place as run_at,
           greatest(r.event_xid, pg_current_xact_id()) as xid,
           ops.canonical_text(r.run_id, r.event_seq + 1, v_at, 'run.started', r.epoch + 1, 'executor:' || e.name,
             concat('{"state": "running", "attempt": ', r.attempt + 1, ', "executor_id": "', s.executor_id,
                    '", "state_reason": null}')) as canonical
      from unnest(p_starts) with ordinality s (ordinal, executor_id, run_id, epoch, pipeline_run_id, reserved, n)
      join ops.executors e on e.executor_id = s.executor_id
     cross join lateral (select u.*, u.ctid as place from ops.runs u where u.run_id = s.run_id offset 0) r
  ), hashed as materialized (
    select p.*, sha256(p.prev_hash || convert_to(p.canonical, 'UTF8')) as hash from picked p
  ), started as (
    update ops.runs r set
      state = 'running', state_reason = null, ready_seq = null, epoch = h.epoch, attempt = h.attempt,
      executor_id = h.executor_id, started_at = coalesce(r.started_at, v_now), progress = null,
      event_seq = h.seq, event_head = h.hash, event_xid = h.xid
      from hashed h where r.ctid = h.run_at
    returning r.run_id, r.epoch, r.attempt, r.executor_id, r.lease_seconds, r.workspace, r.concurrency_key, h.reserved
  ), attempted as (
    insert into ops.attempts (run_id, epoch, attempt, executor_id, started_at)
    select s.run_id, s.epoch, s.attempt, s.executor_id, v_now from started s
  ), leased as (
    insert into ops.leases (run_id, epoch, executor_id, lease_seconds, lease_deadline, heartbeat_at, workspace,
        concurrency_key, reserved)
    select s.run_id, s.epoch, s.executor_id, s.lease_seconds, v_now + ops.seconds(s.lease_seconds), v_now,
           s.workspace, s.concurrency_key, s.reserved from started s
  ), written as (
    insert into ops.events (run_id, seq, at, type, epoch, canonical, prev_hash, hash, xid)
    select h.run_id, h.seq, v_now, 'run.started', h.epoch, h.canonical, h.prev_hash, h.hash, h.xid from hashed h
  )
  select array_agg(row(h.ordinal, h.executor_id, h.run_id, h.epoch, h.pipeline_run_id, h.reserved)::ops.member_start order by h.n)
    into v_started from hashed h;
  return v_started;
end
$$;

-- Mutate and emit: runs start at the executors of the claims that they were picked for: epoch and attempt rise, a lease
-- and an attempt are made, one statement for all. Their pipelines are the caller's (ops.start_pipelines).
create or replace function ops.start_runs(p_starts ops.member_start[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := ops.now();
begin
  if cardinality(p_starts) = 0 then
    return;
  end if;
  with picked as materialized (
    select r.run_id, r.epoch + 1 as epoch, r.attempt + 1 as attempt, r.event_seq + 1 as seq, r.event_head as prev_hash,
           s.executor_id,
           ops.canonical_event(r.run_id, r.event_seq + 1, v_now, 'run.started', r.epoch + 1, 'executor:' || e.name,
             jsonb_build_object('state', 'running', 'state_reason', null, 'attempt', r.attempt + 1,
                                'executor_id', s.executor_id)) as canonical
      from unnest(p_starts) s join ops.executors e on e.executor_id = s.executor_id
      join ops.runs r on r.run_id = s.run_id
  ), hashed as materialized (
    select p.*, sha256(p.prev_hash || convert_to(p.canonical, 'UTF8')) as hash from picked p
  ), started as (
    update ops.runs r set
      state = 'running', state_reason = null, ready_seq = null, epoch = h.epoch, attempt = h.attempt,
      executor_id = h.executor_id, started_at = coalesce(r.started_at, v_now), progress = null,
      event_seq = h.seq, event_head = h.hash
      from hashed h where r.run_id = h.run_id
    returning r.run_id, r.epoch, r.attempt, r.executor_id, r.lease_seconds, r.workspace, r.concurrency_key
  ), attempted as (
    insert into ops.attempts (run_id, epoch, attempt, executor_id, started_at)
    select s.run_id, s.epoch, s.attempt, s.executor_id, v_now from started s
  ), leased as (
    insert into ops.leases (run_id, epoch, executor_id, lease_seconds, lease_deadline, heartbeat_at, workspace,
        concurrency_key)
    select s.run_id, s.epoch, s.executor_id, s.lease_seconds, v_now + ops.seconds(s.lease_seconds), v_now,
           s.workspace, s.concurrency_key from started s
  )
  insert into ops.events (run_id, seq, at, type, epoch, canonical, prev_hash, hash)
  select h.run_id, h.seq, v_now, 'run.started', h.epoch, h.canonical, h.prev_hash, h.hash from hashed h;
end
$$;

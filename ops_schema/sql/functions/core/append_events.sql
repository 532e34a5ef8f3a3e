-- Emit: one event of the same type for each run, chained. The caller holds the runs' locks and has made the change, so
-- the state told is the new one. p_data: one object per run, or null; p_epoch: null means each run's own.
-- Nobody is notified: readers look for themselves (see adr/0005).
-- The stored canonical text is what is hashed: hash = sha256(prev_hash || utf8(canonical)).
create or replace function ops.append_events(
  p_run_ids uuid[], p_type text, p_actor text, p_data jsonb[] default null, p_epoch bigint default null)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := ops.now();
begin
  with fresh as materialized (
    select r.run_id, r.event_seq + 1 as seq, coalesce(p_epoch, r.epoch) as epoch, r.event_head as prev_hash,
           greatest(r.event_xid, pg_current_xact_id()) as xid,
           ops.canonical_event(r.run_id, r.event_seq + 1, v_now, p_type, coalesce(p_epoch, r.epoch), p_actor,
             jsonb_build_object('state', r.state, 'state_reason', r.state_reason)
               || coalesce(t.data, '{}')) as canonical
      from unnest(p_run_ids, p_data) as t (run_id, data)
      join ops.runs r on r.run_id = t.run_id
  ), hashed as materialized (
    select f.*, sha256(f.prev_hash || convert_to(f.canonical, 'UTF8')) as hash from fresh f
  ), advanced as (
    update ops.runs r set event_seq = h.seq, event_head = h.hash, event_xid = h.xid from hashed h where r.run_id = h.run_id
  )
  insert into ops.events (run_id, seq, at, type, epoch, canonical, prev_hash, hash, xid)
  select h.run_id, h.seq, v_now, p_type, h.epoch, h.canonical, h.prev_hash, h.hash, h.xid from hashed h;
end
$$;

-- Mutate: make runs ready, each with a new ready sequence, in the order given; then event run.queued and NOTIFY.
-- The caller holds their locks. A ready_seq is never reused: claim floors rely on it (see adr/0002).
create or replace function ops.enqueue(p_run_ids uuid[], p_actor text) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_run_id uuid;
begin
  if coalesce(cardinality(p_run_ids), 0) = 0 then
    return;
  end if;
  -- a transaction id before the first nextval: move_floor tells open writers by it
  perform pg_current_xact_id();
  foreach v_run_id in array p_run_ids loop
    update ops.runs set state = 'queued', state_reason = null, ready_seq = nextval('ops.ready_seq'),
        -- a budget's hold does not begin the wait anew
        queued_at = case when state_reason = 'budget_exhausted' then coalesce(queued_at, ops.now()) else ops.now() end
     where run_id = v_run_id;
  end loop;
  perform ops.ensure_floors(p_run_ids);

  perform ops.append_events(p_run_ids, 'run.queued', p_actor);
  perform ops.notify_ready(array(select r.kind from ops.runs r where r.run_id = any (p_run_ids)
                                                                       and not r.paused));
end
$$;

-- Mutate: queued runs that enter the ready index at another place (resumed, another priority) get a new ready sequence,
-- in the order given; then NOTIFY. The caller holds their locks. A ready_seq is never reused: see adr/0002.
create or replace function ops.draw_ready(p_run_ids uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_run_id uuid;
begin
  if cardinality(p_run_ids) = 0 then
    return;
  end if;
  -- a transaction id before the first nextval: move_floor tells open writers by it
  perform pg_current_xact_id();
  foreach v_run_id in array p_run_ids loop
    update ops.runs set ready_seq = nextval('ops.ready_seq') where run_id = v_run_id;
  end loop;
  perform ops.ensure_floors(p_run_ids);

  perform ops.notify_ready(array(select r.kind from ops.runs r where r.run_id = any (p_run_ids) and not r.paused));
end
$$;

-- Emit: new runs can be found by claims and are announced to waiting ones: those of p_run_ids that are ready, and those
-- of which is only known where and how many stand (p_ready). At most one notification.
create or replace function ops.announce_all(p_run_ids uuid[], p_ready ops.ready_place[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_ready uuid[] := array(select r.run_id from ops.runs r where r.run_id = any (p_run_ids) and r.state = 'queued');
begin
  if cardinality(v_ready) > 0 then
    perform ops.ensure_floors(v_ready);
  end if;
  if cardinality(p_ready) > 0 then
    perform ops.ensure_places(p_ready);
  end if;
  perform ops.notify_ready(array(select n.kind from unnest(p_ready) n cross join lateral generate_series(1, n.runs))
                           || array(select r.kind from ops.runs r where r.run_id = any (v_ready)));
end
$$;

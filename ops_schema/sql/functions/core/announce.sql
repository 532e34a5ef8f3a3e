-- Emit: of these new runs, those that are ready can be found by claims and are announced to waiting ones.
create or replace function ops.announce(p_run_ids uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_ready uuid[] := array(select r.run_id from ops.runs r where r.run_id = any (p_run_ids) and r.state = 'queued');
begin
  perform ops.ensure_floors(v_ready);
  perform ops.notify_ready(array(select r.kind from ops.runs r where r.run_id = any (v_ready)));
end
$$;

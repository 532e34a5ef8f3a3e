-- A claim floor for every (queue, kind, priority) in which these runs stand ready; claims find priorities through it.
create or replace function ops.ensure_floors(p_run_ids uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  perform ops.ensure_places(array(select row(r.queue, r.kind, r.priority, count(*))::ops.ready_place from ops.runs r
                                   where r.run_id = any (p_run_ids) group by r.queue, r.kind, r.priority));
end
$$;

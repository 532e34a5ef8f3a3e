-- The runs whose work is shown at a run: ops.run_family, and for one that reused what another left, that one.
create or replace function ops.run_workers(p_run ops.runs) returns setof uuid
language sql stable set search_path = ''
as $$
  select coalesce((p_run).reused_from, (p_run).run_id) where (p_run).kind <> 'pipeline'
  union all
  select coalesce(c.reused_from, c.run_id) from ops.runs c
   where c.pipeline_run_id = (p_run).run_id and (p_run).kind = 'pipeline'
$$;

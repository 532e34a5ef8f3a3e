-- The runs whose work is shown at a run: itself, or the children of a pipeline.
create or replace function ops.run_family(p_run ops.runs) returns setof uuid
language sql stable set search_path = ''
as $$
  select (p_run).run_id where (p_run).kind <> 'pipeline'
  union all
  select c.run_id from ops.runs c where c.pipeline_run_id = (p_run).run_id and (p_run).kind = 'pipeline'
$$;

-- Mutate and emit: the pipelines of runs that have started are running too. Once for all of a statement: pipelines are
-- locked after all other runs, in one go.
create or replace function ops.start_pipelines(p_run_ids uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_pipelines uuid[];
begin
  v_pipelines := array(select distinct p.run_id from unnest(p_run_ids) s (run_id) join ops.runs r on r.run_id = s.run_id
                         join ops.runs p on p.run_id = r.pipeline_run_id where p.state = 'waiting');
  if cardinality(v_pipelines) > 0 then
    perform ops.derive_pipelines(v_pipelines, 'executor');
  end if;
end
$$;

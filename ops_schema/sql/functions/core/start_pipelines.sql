-- Mutate and emit: the pipelines of runs that have started are running too. Once for all of a statement: pipelines are
-- locked after all other runs, in one go.
create or replace function ops.start_pipelines(p_started ops.member_start[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_pipelines uuid[] := array(select distinct s.pipeline_run_id from unnest(p_started) s
                               where s.pipeline_run_id is not null);
begin
  if cardinality(v_pipelines) = 0 then
    return;
  end if;
  v_pipelines := array(select r.run_id from ops.runs r where r.run_id = any (v_pipelines) and r.state = 'waiting');
  if cardinality(v_pipelines) > 0 then
    perform ops.derive_pipelines(v_pipelines, 'executor');
  end if;
end
$$;

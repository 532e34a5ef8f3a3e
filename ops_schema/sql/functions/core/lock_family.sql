-- Lock a run; of a pipeline first its children, in run-id order: the lock order of the schema. Returns the run's row.
create or replace function ops.lock_family(p_run_id uuid) returns ops.runs
language plpgsql volatile set search_path = ''
as $$
declare
  v_run ops.runs;
begin
  perform from ops.runs r where r.pipeline_run_id = p_run_id order by r.run_id for update;
  select * into v_run from ops.runs r where r.run_id = p_run_id for update;
  return v_run;
end
$$;

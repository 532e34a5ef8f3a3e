-- Mutate and emit: the tasks of a pipeline that is skipped are skipped with it. Returns them.
create or replace function ops.skip_tasks(p_pipeline_run_id uuid, p_actor text) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_tasks uuid[] := array(select r.run_id from ops.runs r
                           where r.pipeline_run_id = p_pipeline_run_id and r.state = 'waiting' order by r.run_id);
  v_task  uuid;
begin
  foreach v_task in array v_tasks loop
    perform ops.finish_run(v_task, 'skipped', 'condition_not_met', p_actor);
  end loop;
  return v_tasks;
end
$$;

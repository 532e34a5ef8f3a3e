-- Mutate: the state of pipeline runs follows from their children: running once a child has started; done when all are:
-- failed if any failed, else cancelled if any was cancelled, else succeeded. Returns the pipelines that ended.
-- Locks the pipelines in run-id order, then reads the children in a new statement.
create or replace function ops.derive_pipelines(p_run_ids uuid[], p_actor text) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_run   record;
  v_ended uuid[] := '{}';
begin
  perform from ops.runs r where r.run_id = any (p_run_ids) order by r.run_id for update;
  for v_run in
    select p.run_id, p.state,
           bool_and(ops.is_terminal(c.state)) as done, bool_or(c.started_at is not null) as started,
           case when bool_or(c.state = 'failed') then 'failed'
                when bool_or(c.state = 'cancelled') then 'cancelled' else 'succeeded' end as outcome,
           jsonb_object_agg(c.task_key, c.state) as tasks,
           jsonb_agg(c.error || jsonb_build_object('task_key', c.task_key) order by c.finished_at, c.run_id)
             filter (where c.state = 'failed') as errors
      from ops.runs p join ops.runs c on c.pipeline_run_id = p.run_id
     where p.run_id = any (p_run_ids) and not ops.is_terminal(p.state)
     group by p.run_id order by p.run_id
  loop
    if v_run.state = 'waiting' and v_run.started then
      update ops.runs set state = 'running', state_reason = null, started_at = ops.now() where run_id = v_run.run_id;
      perform ops.emit(v_run.run_id, 'run.started', null, p_actor);
    end if;
    if v_run.done then
      perform ops.finish_run(v_run.run_id, v_run.outcome, null, p_actor, ops.pipeline_error(v_run.outcome, v_run.errors),
                             jsonb_build_object('tasks', v_run.tasks));
      v_ended := v_ended || v_run.run_id;
    end if;
  end loop;
  return v_ended;
end
$$;

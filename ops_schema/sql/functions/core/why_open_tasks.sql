-- The tasks that a pipeline waits for, at most five: task_queued, task_waiting or task_running with the task's own
-- reasons in the message and in the detail. Those that are held up come before those that run; a task that waits for
-- another one, or for the pipeline itself, is left out, as that one's reason is its own. Empty for all other runs.
create or replace function ops.why_open_tasks(p_run ops.runs, p_workspaces text[]) returns jsonb
language plpgsql stable set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(ops.reason('task_' || o.state,
             format('task %s (run %s) is %s: %s', o.task_key, o.number, o.state,
                    (select string_agg(r.value ->> 'message', '; ' order by r.n)
                       from jsonb_array_elements(o.reasons) with ordinality r (value, n))),
             jsonb_build_object('run_id', o.run_id, 'number', o.number, 'task_key', o.task_key, 'state', o.state,
                                'reasons', o.reasons))
           order by o.state = 'running', o.number), '[]')
    from (select c.run_id, c.number, c.task_key, c.state, ops.why_reasons(c, p_workspaces) as reasons
            from ops.runs c
           where c.pipeline_run_id = p_run.run_id and c.state in ('waiting', 'queued', 'running')
             and coalesce(c.state_reason, '') not in ('waiting_on_dependency', 'waiting_on_pipeline')
           order by c.state = 'running', c.number limit 5) o);
end
$$;

-- The tasks that made a pipeline end in a state: one reason each, task_<state>, in the order in which they ended.
create or replace function ops.why_tasks(p_run ops.runs, p_state text) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(ops.reason('task_' || p_state,
             format('task %s (run %s) %s at %s%s', c.task_key, c.number,
                    case p_state when 'cancelled' then 'was cancelled' else p_state end, ops.iso(c.finished_at),
                    coalesce(': ' || (c.error ->> 'message'), '')),
             jsonb_build_object('run_id', c.run_id, 'number', c.number, 'task_key', c.task_key, 'state', c.state,
                                'finished_at', ops.iso(c.finished_at), 'error', c.error - 'trace'))
           order by c.finished_at, c.number), '[]')
    from ops.runs c where c.pipeline_run_id = (p_run).run_id and c.state = p_state
$$;

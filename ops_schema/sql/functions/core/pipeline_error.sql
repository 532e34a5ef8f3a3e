-- A failed pipeline's error, from that of its first failed child ({class, code, message, task_key}); null otherwise.
create or replace function ops.pipeline_error(p_outcome text, p_child jsonb) returns jsonb
language sql stable parallel safe
return case when p_outcome = 'failed' then
  jsonb_build_object('class', p_child -> 'class', 'code', 'task_failed', 'task_key', p_child -> 'task_key',
                     'message', format('task %s failed: %s', p_child ->> 'task_key', p_child ->> 'message'))
end;

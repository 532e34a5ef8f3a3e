-- A failed pipeline's error, from those of its failed children [{class, code, message, task_key}], the first to fail
-- first: that one's class and message, and the names of the others. Null otherwise.
create or replace function ops.pipeline_error(p_outcome text, p_children jsonb) returns jsonb
language sql stable parallel safe
return case when p_outcome = 'failed' then
  jsonb_build_object('class', p_children #> '{0,class}', 'code', 'task_failed',
    'task_key', p_children #> '{0,task_key}',
    'message', format('task %s failed: %s', p_children #>> '{0,task_key}', p_children #>> '{0,message}')
      || coalesce((select '; failed as well: ' || string_agg(c ->> 'task_key', ', ' order by c ->> 'task_key')
                     from jsonb_array_elements(p_children - 0) c), ''))
end;

-- A failed pipeline's error, from those of its failed children [{class, code, message, task_key}], the first to fail
-- first: that one's class and message, and the names of others. Null otherwise.
create or replace function ops.pipeline_error(p_outcome text, p_children jsonb) returns jsonb
language sql stable parallel safe
return case when p_outcome = 'failed' then
  jsonb_build_object('class', p_children #> '{0,class}', 'code', 'task_failed',
    'task_key', p_children #> '{0,task_key}',
    'message', format('task %s failed: %s', p_children #>> '{0,task_key}', p_children #>> '{0,message}')
      || coalesce('; failed as well: ' || nullif(ops.first_names(array(
           select c ->> 'task_key' from jsonb_array_elements(p_children - 0) c order by 1)), ''), ''))
end;

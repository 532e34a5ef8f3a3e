-- The error of a run whose parent succeeded without leaving what this run reads. p_missing: [{name, output, task_key}].
create or replace function ops.missing_input_error(p_missing jsonb) returns jsonb
language sql stable parallel safe
return (
  select jsonb_build_object('class', 'user', 'code', 'input_missing', 'message',
           string_agg(format('input %s: %s published no output %s', m ->> 'name',
                             coalesce('task ' || (m ->> 'task_key'), 'the parent run'), m ->> 'output'), '; '))
    from jsonb_array_elements(p_missing) m);

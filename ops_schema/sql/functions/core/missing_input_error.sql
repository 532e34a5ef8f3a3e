-- The error of a run whose parent succeeded without leaving what this run reads. p_missing as of
-- ops.resolve_inputs.
create or replace function ops.missing_input_error(p_missing jsonb) returns jsonb
language sql stable parallel safe
return (
  select jsonb_build_object('class', 'user', 'code', 'input_missing', 'message',
           string_agg(format('input %s: %s published no output %s; it left %s', m ->> 'name',
                             coalesce('task ' || (m ->> 'task_key'), 'run ' || (m ->> 'number')), m ->> 'output',
                             m ->> 'left'), '; '))
    from jsonb_array_elements(p_missing) m);

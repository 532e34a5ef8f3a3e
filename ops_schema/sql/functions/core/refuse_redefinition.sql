-- Trigger: a run's definition never changes after submit. One exception: inputs are resolved, once, while the run waits
-- for its parents. Fires only for statements that name one of the columns. SQLSTATE 42501.
create or replace function ops.refuse_redefinition() returns trigger
language plpgsql set search_path = ''
as $$
begin
  if new.inputs is distinct from old.inputs and old.state = 'waiting' and old.inputs = '[]'
     and (to_jsonb(new) - '{inputs,state,state_reason}'::text[]) = (to_jsonb(old) - '{inputs,state,state_reason}'::text[])
  then
    return new;
  end if;
  raise exception using errcode = '42501', message = format('run %s: its definition cannot change', old.run_id),
    hint = 'Submit a new run (retry_of keeps the link).';
end
$$;

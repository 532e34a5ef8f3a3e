-- The tasks that a task waits for: those it depends on and those whose outputs it reads.
create or replace function ops.task_parents(p_task jsonb) returns text[]
language sql immutable parallel safe
return array(
  select jsonb_array_elements_text(coalesce(nullif(p_task -> 'depends_on', 'null'), '[]'))
  union
  select split_part(i.value, '.', 1) from jsonb_each_text(coalesce(nullif(p_task -> 'inputs', 'null'), '{}')) i);

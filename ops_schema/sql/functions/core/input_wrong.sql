-- What is wrong with an input of a template that comes from the output of a run, null when nothing is known to be. Who
-- reads tables or artifacts alone never meets an object; an object is what a run declares, so that its name is known
-- ahead, while the names of artifacts and of tables that engines write are decided by the parent's code.
create or replace function ops.input_wrong(p_template ops.templates, p_input text, p_parent ops.runs, p_output text)
returns text
language sql immutable set search_path = ''
as $$
  select case
    when f.kind <> 'object' and f.format = 'object'
      then format('output %s of run %s is of kind object, the input is declared as %s', f.output, f.number, f.kind)
    when f.kind = 'object' and f.format <> 'object'
      then format('output %s of run %s is of kind table, the input is declared as object', f.output, f.number)
    when f.kind = 'object' and f.format is null
      then format('run %s has no output %s; it has: %s', f.number, f.output, coalesce(nullif(ops.first_names(
        array(select o ->> 'name' from jsonb_array_elements(p_parent.outputs) o order by 1)), ''), 'none')) end
    from (select left(p_output, 80) as output, p_parent.number as number,
                 coalesce((select i ->> 'kind'
                             from jsonb_array_elements(coalesce(nullif(p_template.spec -> 'inputs', 'null'), '[]')) i
                            where i ->> 'name' = p_input limit 1), 'table') as kind,
                 (select o ->> 'format' from jsonb_array_elements(p_parent.outputs) o
                   where o ->> 'name' = p_output limit 1) as format) f
$$;

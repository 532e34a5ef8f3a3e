-- Guard: what a new run takes from its parents is of the kind that its template declares (ops.input_wrong), whichever
-- way it came to them: a submit, a task of a pipeline whose templates have changed since, a rerun by a newer version.
-- p_task: its key in a pipeline, or null. p_depends: as ops.create_run takes them. Raises OPV05.
create or replace function ops.check_inputs(p_template ops.templates, p_task text, p_depends jsonb) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_found record;
begin
  select i.key as input, ops.input_wrong(p_template, i.key, r, i.value) as wrong into v_found
    from jsonb_array_elements(p_depends) d
    join ops.runs r on r.run_id = (d ->> 'depends_on')::uuid
   cross join lateral jsonb_each_text(coalesce(d -> 'inputs', '{}')) i
   where ops.input_wrong(p_template, i.key, r, i.value) is not null
   order by i.key limit 1;
  if found then
    perform ops.dependency_invalid(coalesce('/tasks/' || p_task, '') || '/inputs/' || v_found.input, v_found.wrong,
                                   'Declare the input of this kind in its template, or name another output.');
  end if;
end
$$;

-- The runs that a submit depends on, as ops.create_run takes them: [{depends_on, inputs}] in the order of run ids.
-- Each is a run of the same workspace, named once; each input is one of the template's and comes from one run. Whether
-- the parents have ended is looked at later, under their locks. Raises OPV05.
create or replace function ops.named_parents(
  p_token ops.tokens, p_workspace text, p_template ops.templates, p_body jsonb)
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_one     record;
  v_parent  ops.runs;
  v_runs    uuid[] := '{}';
  v_inputs  jsonb  := '{}';
  v_parents jsonb  := '[]';
begin
  for v_one in
    select format('/depends_on/%s', d.n - 1) as path, d.value ->> 'run' as ref,
           coalesce(nullif(d.value -> 'inputs', 'null'), '{}') as inputs
      from jsonb_array_elements(nullif(p_body -> 'depends_on', 'null')) with ordinality d (value, n) order by d.n
  loop
    v_parent := ops.find_parent(p_token, v_one.ref);
    if v_parent.run_id is null then
      perform ops.dependency_invalid(v_one.path || '/run', format('there is no run %s', left(v_one.ref, 80)),
                                     'Give a run_id or a number, as `runs ls` shows them.');
    elsif v_parent.workspace <> p_workspace then
      perform ops.dependency_invalid(v_one.path || '/run', format('run %s is of workspace %s, this one of %s',
        v_parent.number, v_parent.workspace, p_workspace), 'A run waits for runs of its own workspace.');
    elsif v_parent.run_id = any (v_runs) then
      perform ops.dependency_invalid(v_one.path || '/run', format('run %s is named twice', v_parent.number),
                                     'Name a run once, with all the inputs that come from it.');
    end if;
    perform ops.check_parent_inputs(v_one.path || '/inputs', v_one.inputs, v_inputs, v_parent, p_template);
    v_runs := v_runs || v_parent.run_id;
    v_inputs := v_inputs || v_one.inputs;
    v_parents := v_parents || jsonb_build_object('depends_on', v_parent.run_id, 'inputs', v_one.inputs);
  end loop;
  return (select coalesce(jsonb_agg(p order by p ->> 'depends_on'), '[]') from jsonb_array_elements(v_parents) p);
end
$$;

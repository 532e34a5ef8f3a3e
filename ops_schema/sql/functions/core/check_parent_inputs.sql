-- Guard: the inputs {name: output} that a new run takes from one parent, of the kind that its template declares
-- (ops.input_wrong). p_taken: those of the parents before it. Raises OPV05.
create or replace function ops.check_parent_inputs(
  p_path text, p_inputs jsonb, p_taken jsonb, p_parent ops.runs, p_template ops.templates)
returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_declared jsonb := coalesce(nullif(p_template.spec -> 'inputs', 'null'), '[]');
  v_input    record;
  v_wrong    text;
begin
  if jsonb_typeof(p_inputs) <> 'object' then
    perform ops.dependency_invalid(p_path, 'must be an object of input names and output names');
  elsif p_inputs <> '{}' and p_parent.kind = 'pipeline' then
    perform ops.dependency_invalid(p_path, format('run %s is a pipeline, which has no outputs of its own',
      p_parent.number), 'Name the run of the task that has the output.');
  elsif p_inputs <> '{}' and p_template.kind = 'pipeline' then
    perform ops.dependency_invalid(p_path, 'a pipeline has no inputs of its own', 'Its tasks say what they read.');
  end if;
  for v_input in select i.key, i.value from jsonb_each(p_inputs) i order by i.key loop
    if not v_declared @> jsonb_build_array(jsonb_build_object('name', v_input.key)) then
      perform ops.dependency_invalid(p_path || '/' || v_input.key, format('template %s has no input %s', p_template.name,
        left(v_input.key, 80)), 'Declare it under `inputs` in the template.');
    elsif p_taken ? v_input.key then
      perform ops.dependency_invalid(p_path || '/' || v_input.key, 'comes from two runs');
    elsif jsonb_typeof(v_input.value) <> 'string' then
      perform ops.dependency_invalid(p_path || '/' || v_input.key, 'must be the name of an output');
    end if;
    v_wrong := ops.input_wrong(p_template, v_input.key, p_parent, v_input.value #>> '{}');
    if v_wrong is not null then
      perform ops.dependency_invalid(p_path || '/' || v_input.key, v_wrong,
                                     'Declare the input of this kind in the template, or name another output.');
    end if;
  end loop;
end
$$;

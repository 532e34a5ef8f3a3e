-- All inputs of a run whose condition holds. Returns {inputs: [..], missing: [{"name", "output", "task_key", "number",
-- "left"}]}: missing is what a succeeded parent should have left and did not, with what it left instead; a parent that
-- did not succeed is left out.
create or replace function ops.resolve_inputs(p_run_id uuid) returns jsonb
language sql stable
return (
  with wanted as (
    select i.key as name, i.value as output, p.run_id, p.number, p.task_key, p.state,
           ops.resolve_input(i.key, d.depends_on, i.value) as found
      from ops.run_dependencies d
      join ops.runs p on p.run_id = d.depends_on
      cross join lateral jsonb_each_text(d.inputs) i
     where d.run_id = p_run_id)
  select jsonb_build_object(
    'inputs', coalesce(jsonb_agg(w.found order by w.name) filter (where w.found is not null), '[]'),
    'missing', coalesce(jsonb_agg(jsonb_build_object(
        'name', w.name, 'output', w.output, 'task_key', w.task_key, 'number', w.number,
        'left', ops.left_outputs(w.run_id))
      order by w.name) filter (where w.found is null and w.state = 'succeeded'), '[]'))
    from wanted w);

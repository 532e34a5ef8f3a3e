-- Mutate and emit: a run of a template, with its children when it is a pipeline. See ops.create_run for the arguments.
create or replace function ops.submit_template(p_template ops.templates, p_body jsonb, p_place jsonb) returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_run_id uuid := ops.create_run(p_template, p_body, p_place);
begin
  if p_template.kind = 'pipeline' then
    perform ops.create_tasks(v_run_id, p_template.spec -> 'tasks', p_body, p_place);
  else
    perform ops.announce(array[v_run_id]);
  end if;
  return v_run_id;
end
$$;

-- Mutate and emit: a run of a template, with its children when it is a pipeline. See ops.create_run for the arguments.
-- Parents that have ended are taken at their word now, in a statement after the one that locked them; what was done for
-- the same inputs is looked for. Claims are not told of the run: the caller announces it.
create or replace function ops.submit_template(
  p_template ops.templates, p_body jsonb, p_place jsonb, p_depends jsonb default '[]', p_keep jsonb default '{}',
  p_templates jsonb default '{}')
returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_run_id uuid;
  v_actor  text := 'operator:' || (p_place ->> 'submitted_by');
begin
  if p_template.kind = 'pipeline' then
    perform ops.lock_planned_keys(ops.planned_keys(p_template, p_body, p_templates), p_place ? 'rerun');
  end if;
  v_run_id := ops.create_run(p_template, p_body, p_place, p_depends);
  if p_template.kind = 'pipeline' then
    perform ops.create_tasks(v_run_id, p_template.spec -> 'tasks', p_body, p_place, p_keep, p_templates);
  end if;
  if p_depends <> '[]' or p_template.spec ->> 'reuse' = 'same_inputs' then
    perform ops.settle(ops.unblock(array[v_run_id], v_actor), v_actor);
  end if;
  return v_run_id;
end
$$;

-- What a run waits for, or waited for.
create or replace function ops.run_parents(p_run_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
      'run_id', r.run_id,
      'number', r.number,
      'task_key', r.task_key,
      'template_name', r.template_name,
      'state', r.state,
      'inputs', d.inputs) order by r.number), '[]')
    from ops.run_dependencies d
    join ops.runs r on r.run_id = d.depends_on
   where d.run_id = p_run_id
$$;

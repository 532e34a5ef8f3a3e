-- A task's parents as ops.create_run takes them. p_runs: {task key: run_id}.
create or replace function ops.task_dependencies(p_task jsonb, p_runs jsonb) returns jsonb
language plpgsql stable set search_path = ''
as $$
begin
  return (
  select coalesce(jsonb_agg(jsonb_build_object('depends_on', p_runs ->> parent, 'inputs', (
           select coalesce(jsonb_object_agg(i.key, substring(i.value from '^[^.]*\.(.*)$')), '{}')
             from jsonb_each_text(coalesce(nullif(p_task -> 'inputs', 'null'), '{}')) i
            where split_part(i.value, '.', 1) = parent))), '[]')
    from unnest(ops.task_parents(p_task)) parent);
end
$$;

-- The concurrency keys of a new run of this template, of a pipeline those of its tasks: [{workspace, key, limit}].
-- p_templates: the template versions that tasks are pinned to. Changes and locks nothing. Raises as ops.create_run
-- does.
create or replace function ops.planned_keys(p_template ops.templates, p_body jsonb, p_templates jsonb default '{}')
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_spec   jsonb := p_template.spec;
  v_keys   jsonb := '[]';
  v_params jsonb;
  v_task   record;
begin
  if p_template.kind <> 'pipeline' and coalesce(v_spec -> 'concurrency', 'null') = 'null'
     and p_body ->> 'concurrency_key' is null then
    return '[]';
  end if;
  v_params := ops.checked_params(v_spec -> 'params_schema', p_body -> 'params');
  if p_template.kind <> 'pipeline' then
    return jsonb_build_array(jsonb_build_object('workspace', p_template.workspace,
      'key', ops.planned_key(v_spec, p_body, v_params), 'limit', ops.planned_limit(v_spec, p_body)));
  end if;
  for v_task in select t.key, t.value as task from jsonb_each(v_spec -> 'tasks') t loop
    v_keys := v_keys || ops.planned_keys(
      ops.task_template(p_template.workspace, v_task.key, v_task.task, p_templates ->> v_task.key),
      jsonb_build_object('params', ops.substitute(coalesce(nullif(v_task.task -> 'params', 'null'), '{}'), v_params,
                                                  '/tasks/' || v_task.key || '/params')));
  end loop;
  return v_keys;
end
$$;

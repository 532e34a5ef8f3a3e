-- Mutate and emit: the children of a pipeline run, with the template versions of this moment. run_ids rise along the
-- dependencies, so that locking in run-id order is locking parents first. p_keep: {task key: run_id} of runs that
-- already did a task's work (repair); they get no new child. The pipeline's caps tighten those of each child. While the
-- pipeline waits for other runs, its first tasks wait for it.
-- Raises OPN02, OPV02, OPV05.
create or replace function ops.create_tasks(
  p_pipeline_run_id uuid, p_tasks jsonb, p_body jsonb, p_place jsonb, p_keep jsonb default '{}',
  p_templates jsonb default '{}')
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_order    text[] := ops.task_order(p_tasks);
  v_ids      uuid[];
  v_runs     jsonb  := p_keep;
  v_params   jsonb;
  v_caps     jsonb;
  v_rules    jsonb;
  v_task     jsonb;
  v_template ops.templates;
  v_held     jsonb;
  v_actor    text   := 'operator:' || (p_place ->> 'submitted_by');
begin
  select r.params, r.caps, r.cap_rules, case when r.state_reason = 'waiting_on_dependency' then '{"held": true}'::jsonb else '{}' end
    into v_params, v_caps, v_rules, v_held from ops.runs r where r.run_id = p_pipeline_run_id;
  v_ids := array(select ops.uuid7() as id from unnest(v_order) order by id);
  for i in 1 .. cardinality(v_order) loop
    continue when p_keep ? v_order[i];
    v_task := p_tasks -> v_order[i];
    v_template := ops.task_template(p_place ->> 'workspace', v_order[i], v_task, p_templates ->> v_order[i]);
    v_runs := v_runs || jsonb_build_object(v_order[i], v_ids[i]);
    perform ops.create_run(v_template,
      jsonb_build_object('params', ops.substitute(coalesce(nullif(v_task -> 'params', 'null'), '{}'), v_params,
                                                  '/tasks/' || v_order[i] || '/params'),
                         'condition', coalesce(v_task ->> 'condition', 'all_success'),
                         'caps', ops.effective_caps(p_place ->> 'workspace', v_template.name,
                                                    ops.tightest(ops.cap_limits(v_template.spec -> 'caps'), v_caps)))
        || ops.inherited(p_body, v_task),
      p_place - 'digest' - 'retry_of' || v_held
        || jsonb_build_object('run_id', v_ids[i], 'pipeline_run_id', p_pipeline_run_id, 'task_key', v_order[i],
                              'cap_rules', v_rules)
        || case when p_place ? 'reproduces' then jsonb_build_object(
             'reproduces', ops.task_reproduced((p_place ->> 'reproduces')::uuid, v_order[i])) else '{}' end,
      ops.task_dependencies(v_task, v_runs));
  end loop;
  -- a repaired pipeline's children may have nothing left to wait for
  v_ids := array(select r.run_id from ops.runs r where r.pipeline_run_id = p_pipeline_run_id);
  perform ops.settle(ops.unblock(v_ids, v_actor), v_actor);
  perform ops.announce(v_ids);
end
$$;

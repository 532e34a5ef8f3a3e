-- Mutate and emit: a new run from an ended one; see ops.retry_run. p_failed_only: of a pipeline, the tasks that
-- succeeded are not run again.
create or replace function ops.rerun(p_run ops.runs, p_key text, p_place jsonb, p_failed_only boolean default true)
returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_template ops.templates;
  v_body     jsonb := jsonb_build_object('params', p_run.params, 'labels', p_run.labels, 'priority', p_run.priority,
    'queue', p_run.queue, 'max_attempts', p_run.max_attempts, 'concurrency_key', p_run.concurrency_key,
    'traceparent', p_run.traceparent, 'idempotency_key', p_key);
  v_keep     jsonb := '{}';
  v_pinned   jsonb;
  v_new      uuid;
begin
  select * into v_template from ops.templates t where t.template_id = p_run.template_id;
  -- what platform caps allowed then may be above what they allow now: the tighter holds
  v_body := v_body || jsonb_build_object('caps', ops.effective_caps(p_run.workspace, p_run.template_name, p_run.caps));
  if p_run.kind <> 'pipeline' then
    v_new := ops.create_run(v_template, v_body, p_place || jsonb_build_object('inputs', p_run.inputs));
    perform ops.announce(array[v_new]);
    return v_new;
  end if;
  v_pinned := (select jsonb_object_agg(c.task_key, c.template_id) from ops.runs c
                where c.pipeline_run_id = p_run.run_id);
  if p_run.state <> 'succeeded' and p_failed_only then
    v_keep := ops.succeeded_tasks(p_run.run_id);
  end if;
  v_new := ops.create_run(v_template, v_body, p_place);
  perform ops.create_tasks(v_new, v_template.spec -> 'tasks', v_body - 'caps', p_place, v_keep,
                           coalesce(v_pinned, '{}'));
  return v_new;
end
$$;

-- A run as the operator plane's Run. Progress and usage of a running run stand on its lease. A pipeline's rows and
-- artifacts are those of its children.
create or replace function ops.run_json(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
      'run_id', (p_run).run_id,
      'number', (p_run).number,
      'workspace', (p_run).workspace,
      'template_name', (p_run).template_name,
      'template_version', (p_run).template_version,
      'kind', (p_run).kind,
      'task_key', (p_run).task_key,
      'pipeline_run_id', (p_run).pipeline_run_id,
      'pipeline_run_number', (select p.number from ops.runs p where p.run_id = (p_run).pipeline_run_id),
      'retry_of', (p_run).retry_of,
      'retry_of_number', (select o.number from ops.runs o where o.run_id = (p_run).retry_of),
      'reproduces', (p_run).reproduces,
      'reproduces_number', (select o.number from ops.runs o where o.run_id = (p_run).reproduces),
      'reused_from', (p_run).reused_from,
      'reused_from_number', (select o.number from ops.runs o where o.run_id = (p_run).reused_from),
      'params', (p_run).params,
      'inputs', (p_run).inputs,
      'outputs', (p_run).outputs,
      'labels', (p_run).labels,
      'caps', (p_run).caps,
      'cap_rules', coalesce((p_run).cap_rules, '{}'),
      'concurrency_key', (p_run).concurrency_key,
      'dedupe_key', (p_run).dedupe_key,
      'retry', (p_run).retry,
      'lease_seconds', (p_run).lease_seconds,
      'condition', case when exists (select from ops.run_dependencies d where d.run_id = (p_run).run_id)
                        then (p_run).condition end,
      'traceparent', (p_run).traceparent)
    || jsonb_build_object(
      'state', (p_run).state,
      'state_reason', (p_run).state_reason,
      'priority', (p_run).priority,
      'queue', (p_run).queue,
      'paused', (p_run).paused and not ops.is_terminal((p_run).state),
      'epoch', (p_run).epoch,
      'attempt', (p_run).attempt,
      'max_attempts', (p_run).max_attempts,
      'not_before', ops.iso((p_run).not_before),
      'deadline', ops.iso((p_run).deadline),
      'submitted_by', (p_run).submitted_by,
      'submitted_at', ops.iso((p_run).submitted_at),
      'queued_at', ops.iso((p_run).queued_at),
      'started_at', ops.iso((p_run).started_at),
      'finished_at', ops.iso((p_run).finished_at),
      'cancel_requested_at', ops.iso((p_run).cancel_requested_at),
      'cancel_reason', (p_run).cancel_reason,
      'legal_hold', ops.hold_json(p_run))
    || jsonb_build_object(
      'result', (p_run).result,
      'error', (p_run).error,
      'progress', coalesce(l.progress, (p_run).progress),
      'usage', (p_run).usage || coalesce(l.usage, '{}'),
      'cost', ops.run_cost(p_run),
      'lease_deadline', ops.iso(l.lease_deadline),
      'executor_name', (select e.name from ops.executors e where e.executor_id = (p_run).executor_id),
      'rows', (select sum(p.rows) from ops.publications p
                where p.run_id in (select ops.run_workers(p_run)) and p.state = 'committed'),
      'artifact_count', (select count(*) from ops.artifacts a
                          where a.run_id in (select ops.run_workers(p_run)) and a.state in ('recorded', 'visible')))
    from (select) one
    left join ops.leases l on l.run_id = (p_run).run_id
$$;

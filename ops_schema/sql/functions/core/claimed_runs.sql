-- The contract's ClaimedRun for each {run_id, epoch} that this executor still holds and has not reported, in order.
create or replace function ops.claimed_runs(p_executor_id uuid, p_runs jsonb) returns jsonb
language plpgsql stable set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(
      jsonb_build_object(
        'run_id', r.run_id, 'number', r.number, 'epoch', l.epoch, 'attempt', r.attempt, 'max_attempts', r.max_attempts,
        'kind', r.kind, 'workspace', r.workspace, 'template_name', r.template_name,
        'template_version', r.template_version,
        'template_digest', t.digest, 'entrypoint', t.spec -> 'entrypoint', 'config', coalesce(t.spec -> 'config', '{}'),
        'params', r.params, 'inputs', r.inputs, 'outputs', r.outputs, 'bundle', ops.bundle_ref(t.spec),
        'connections', coalesce(t.spec -> 'connections', '[]'),
        'caps', ops.effective_caps(r.workspace, r.template_name, r.caps))
      || jsonb_build_object(
        'lease_seconds', l.lease_seconds, 'lease_deadline', ops.iso(l.lease_deadline),
        'on_lapse', coalesce(t.spec ->> 'on_lapse', 'continue'), 'rerun', coalesce(t.spec ->> 'rerun', 'safe'),
        'labels', r.labels, 'traceparent', r.traceparent, 'pipeline_run_id', r.pipeline_run_id, 'task_key', r.task_key,
        'submitted_by', r.submitted_by) order by c.n), '[]')
      from jsonb_array_elements(p_runs) with ordinality c (value, n)
      join ops.leases l on l.run_id = (c.value ->> 'run_id')::uuid and l.epoch = (c.value ->> 'epoch')::bigint
                       and l.executor_id = p_executor_id and l.reported_at is null
      join ops.runs r on r.run_id = l.run_id
      join ops.templates t on t.template_id = r.template_id);
end
$$;

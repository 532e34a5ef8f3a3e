-- What a manifest of a run says, all of it as it is on record now: one statement, so one moment. `events` is the head
-- of the run's chain, `tasks` of a pipeline name their manifests' roots. Null for a run that has not ended;
-- raises OPN01.
-- Of a run that reused what another left, the outputs are that one's, which is named.
-- Numbers are such as canonical JSON keeps (ops.interoperable).
create or replace function ops.manifest_parts(p_run_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_parts jsonb;
begin
  select case when r.finished_at is not null then jsonb_build_object(
      'schema', 'control-room/manifest/1',
      'run', jsonb_build_object(
        'run_id', r.run_id, 'number', r.number, 'workspace', r.workspace, 'kind', r.kind, 'task_key', r.task_key,
        'template', jsonb_build_object('name', t.name, 'version', t.version, 'digest', t.digest),
        'labels', r.labels, 'outputs', r.outputs, 'traceparent', r.traceparent),
      'reused_from', (select jsonb_build_object('run_id', o.run_id, 'number', o.number)
                        from ops.runs o where o.run_id = r.reused_from),
      'params', r.params,
      'code', jsonb_build_object('bundle', (
        select jsonb_build_object('sha256', b.sha256, 'size', b.size) from ops.bundles b
         where b.workspace = t.workspace and b.sha256 = t.spec #>> '{bundle,sha256}'),
        'entrypoint', t.spec -> 'entrypoint'),
      'environment', ops.manifest_environment(r.run_id),
      'inputs', r.inputs,
      'caps', r.caps,
      'cap_rules', coalesce(r.cap_rules, '{}'),
      'usage', r.usage,
      'attempts', ops.manifest_attempts(r),
      'trigger', jsonb_build_object(
        'submitted_by', r.submitted_by, 'submitted_at', ops.iso(r.submitted_at), 'retry_of', r.retry_of,
        'reproduces', r.reproduces,
        'pipeline_run_id', r.pipeline_run_id, 'deadline', ops.iso(r.deadline),
        'depends_on', (select coalesce(jsonb_agg(jsonb_build_object('run_id', d.depends_on, 'inputs', d.inputs)
                                                 order by d.depends_on), '[]')
                         from ops.run_dependencies d where d.run_id = r.run_id)),
      'outcome', jsonb_build_object(
        'state', r.state, 'state_reason', r.state_reason, 'started_at', ops.iso(r.started_at),
        'finished_at', ops.iso(r.finished_at), 'cancel_reason', r.cancel_reason, 'result', r.result,
        'error', r.error - 'trace'),
      'tasks', (select coalesce(jsonb_agg(jsonb_build_object(
                    'run_id', c.run_id, 'task_key', c.task_key, 'state', c.state, 'manifest_root', c.manifest_root)
                    order by c.run_id), '[]')
                  from ops.runs c where c.pipeline_run_id = r.run_id),
      'events', jsonb_build_object('length', r.event_seq, 'head', encode(r.event_head, 'hex')))
      || ops.manifest_outputs(coalesce(r.reused_from, r.run_id)) else 'null' end
    into v_parts
    from ops.runs r join ops.templates t on t.template_id = r.template_id
   where r.run_id = p_run_id;
  if v_parts is null then
    perform ops.fail('OPN01', format('there is no run %s', p_run_id));
  end if;
  return nullif(ops.interoperable(v_parts), 'null');
end
$$;

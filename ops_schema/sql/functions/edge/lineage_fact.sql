-- One event of ops.events_since with what lineage tells of its run. What it made stands in that of its success alone.
create or replace function ops.lineage_fact(p_event jsonb) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
           'run_id', r.run_id, 'seq', p_event -> 'seq', 'type', p_event -> 'type', 'at', p_event -> 'at',
           'number', r.number, 'workspace', r.workspace, 'template_name', r.template_name,
           'template_version', r.template_version, 'template_digest', t.digest, 'task_key', r.task_key, 'kind', r.kind,
           'attempt', a.attempt, 'nominal_start', ops.iso(coalesce(r.not_before, r.submitted_at)),
           'nominal_end', ops.iso(r.deadline), 'bundle', ops.bundle_ref(t.spec), 'inputs', r.inputs,
           'sql', t.spec #> '{config,sql}',
           'pipeline', case when p.run_id is not null then jsonb_build_object(
             'run_id', p.run_id, 'workspace', p.workspace, 'template_name', p.template_name) end,
           'executor', case when x.executor_id is not null then jsonb_build_object(
             'name', x.name, 'kind', x.kind, 'version', x.version, 'versions', x.capabilities -> 'versions') end)
         || case when p_event ->> 'type' in ('run.succeeded', 'run.failed', 'run.cancelled', 'run.skipped')
                 then jsonb_build_object('usage', r.usage, 'caps', r.caps, 'cost', ops.run_cost(r),
                        'error', r.error, 'reason', r.state_reason, 'ledger', (
                          select coalesce(jsonb_agg(ops.cap_entry_json(l) order by l.entry_id), '[]')
                            from ops.cap_ledger l where l.run_id = r.run_id))
                 when p_event ->> 'type' = 'run.retry_scheduled' then jsonb_build_object('error', a.error)
                 else '{}' end
         || case when p_event ->> 'type' = 'run.succeeded' then jsonb_build_object('outputs', ops.lineage_outputs(r))
                 else '{}' end
    from ops.runs r
    join ops.templates t on t.template_id = r.template_id
    left join ops.runs p on p.run_id = r.pipeline_run_id
    left join ops.attempts a on a.run_id = r.run_id and a.epoch = (p_event ->> 'epoch')::bigint
    left join ops.executors x on x.executor_id = a.executor_id
   where r.run_id = (p_event ->> 'run_id')::uuid
$$;

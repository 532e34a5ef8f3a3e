-- What a registered executor is told.
create or replace function ops.registration_json(p_executor ops.executors) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'executor_id', (p_executor).executor_id,
    'number', (p_executor).number,
    'contract_version', (p_executor).contract_version,
    'heartbeat_seconds', ops.setting('heartbeat_seconds'),
    'claim_wait_seconds', ops.setting('claim_wait_seconds'),
    'log_chunk_bytes', ops.setting('log_chunk_bytes'),
    'workspaces', coalesce(
      to_jsonb((p_executor).workspaces), (select jsonb_agg(w.workspace order by w.workspace) from ops.workspaces w)),
    'server_time', ops.iso(ops.now()))
$$;

-- For a manifest: the executors that worked at a run, as they registered; that never changes.
create or replace function ops.manifest_environment(p_run_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
      'executor_id', e.executor_id,
      'number', e.number,
      'name', e.name,
      'kind', e.kind,
      'version', e.version,
      'contract_version', e.contract_version,
      'host', e.host,
      'capabilities', e.capabilities,
      'labels', e.labels) order by e.executor_id), '[]')
    from ops.executors e
   where e.executor_id in (select a.executor_id from ops.attempts a where a.run_id = p_run_id)
$$;

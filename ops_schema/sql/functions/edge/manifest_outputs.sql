-- For a manifest: what a run left for others, {artifacts, publications}. Artifacts that no accepted report made visible
-- are none of it. Statistics of published files are left out: their bytes say the same.
create or replace function ops.manifest_outputs(p_run_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'artifacts', (
      select coalesce(jsonb_agg(jsonb_build_object(
          'artifact_id', a.artifact_id,
          'epoch', a.epoch,
          'name', a.name,
          'kind', a.kind,
          'media_type', a.media_type,
          'size', a.size,
          'sha256', a.sha256,
          'table', a.table_ref,
          'metadata', a.metadata,
          'expires_at', ops.iso(a.expires_at)) order by a.epoch, a.name collate "C"), '[]')
        from ops.artifacts a where a.run_id = p_run_id and a.state in ('visible', 'expired')),
    'publications', (
      select coalesce(jsonb_agg(jsonb_build_object(
          'output', p.output,
          'epoch', p.epoch,
          'format', p.format,
          'mode', p.mode,
          'uri', p.uri,
          'state', p.state,
          'table_version', p.table_version,
          'location', p.location,
          'rows', p.rows,
          'schema', p.schema,
          'partition_by', p.partition_by,
          'app_id', p.app_id,
          'error', p.error - 'trace',
          'files', (select coalesce(jsonb_agg(f.value - 'stats' order by f.ordinality), '[]')
                      from jsonb_array_elements(p.files) with ordinality f))
          order by p.epoch, p.output collate "C"), '[]')
        from ops.publications p where p.run_id = p_run_id))
$$;

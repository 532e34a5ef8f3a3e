-- The data that a run, or a pipeline's children, published or is about to; of one that reused what another did, that
-- one's.
create or replace function ops.run_publications(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
      'run_id', p.run_id,
      'output', p.output,
      'epoch', p.epoch,
      'format', p.format,
      'mode', p.mode,
      'uri', p.uri,
      'rows', p.rows,
      'files', jsonb_array_length(p.files),
      'app_id', p.app_id,
      'app_version', p.app_version,
      'state', p.state,
      'table_version', p.table_version,
      'location', p.location,
      'error', p.error,
      'recorded_at', ops.iso(p.recorded_at),
      'committed_at', ops.iso(p.committed_at)) order by p.recorded_at, p.output), '[]')
    from ops.publications p
   where p.run_id in (select ops.run_workers(p_run))
$$;

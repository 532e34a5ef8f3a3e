-- An artifact as the contract's Artifact, plus object_key for the server, which makes a URL of it.
create or replace function ops.artifact_json(p_artifact ops.artifacts) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'artifact_id', (p_artifact).artifact_id,
    'run_id', (p_artifact).run_id,
    'epoch', (p_artifact).epoch,
    'name', (p_artifact).name,
    'kind', (p_artifact).kind,
    'media_type', (p_artifact).media_type,
    'size', (p_artifact).size,
    'sha256', (p_artifact).sha256,
    'state', (p_artifact).state,
    'metadata', (p_artifact).metadata,
    'table', (p_artifact).table_ref,
    'recorded_at', ops.iso((p_artifact).recorded_at),
    'verify_ms', (p_artifact).verify_ms,
    'object_key', (p_artifact).object_key)
$$;

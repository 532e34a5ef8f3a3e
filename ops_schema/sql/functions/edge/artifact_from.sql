-- The artifact that a beginArtifact body describes, not yet stored; OPV01 when it is neither bytes nor a table.
create or replace function ops.artifact_from(p_run_id uuid, p_epoch bigint, p_body jsonb) returns ops.artifacts
language plpgsql volatile set search_path = ''
as $$
declare
  v_new      ops.artifacts;
  v_is_table boolean := p_body ->> 'kind' = 'table';
  v_sha256   text    := p_body ->> 'sha256';
begin
  if coalesce(p_body ->> 'kind', '') not in ('file', 'table', 'report', 'log', 'metrics', 'model') then
    perform ops.invalid('/kind', 'must be file, table, report, log, metrics or model');
  elsif v_is_table and (p_body #>> '{table,uri}' is null or p_body #>> '{table,format}' is null
                           or not ops.is_natural(p_body #> '{table,version}')) then
    perform ops.invalid('/table', 'an artifact of kind table needs format, uri and version');
  elsif not v_is_table
        and (coalesce(v_sha256, '') !~ '^[0-9a-f]{64}$' or not ops.is_natural(p_body -> 'size')) then
    perform ops.invalid('/sha256', 'an artifact of bytes needs its SHA-256 (64 hex digits) and its size');
  elsif octet_length((p_body -> 'preview')::text) > 65536 then
    perform ops.invalid('/preview', 'a preview has at most 65536 bytes', 'Tell fewer rows, or cut their cells.');
  end if;
  v_new.artifact_id := ops.uuid7();
  v_new.run_id := p_run_id;
  v_new.epoch := p_epoch;
  v_new.name := p_body ->> 'name';
  v_new.kind := p_body ->> 'kind';
  v_new.metadata := coalesce(p_body -> 'metadata', '{}');
  v_new.preview := nullif(p_body -> 'preview', 'null');
  v_new.state := 'begun';
  v_new.begun_at := ops.now();
  if v_is_table then
    v_new.table_ref := p_body -> 'table';
    v_new.media_type := format('application/x-%s-table', p_body #>> '{table,format}');
  else
    v_new.size := (p_body ->> 'size')::bigint;
    v_new.sha256 := v_sha256;
    v_new.media_type := coalesce(p_body ->> 'media_type', 'application/octet-stream');
    v_new.object_key := (select ops.object_key(r.workspace, v_sha256) from ops.runs r where r.run_id = p_run_id);
  end if;
  return v_new;
end
$$;

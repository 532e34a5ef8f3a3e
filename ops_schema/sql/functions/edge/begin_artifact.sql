-- beginArtifact: guard, lock, then one row per (run, epoch, name). The same name with the same content again answers
-- the same row; with other content, OPC04. The bytes' address is the run's
-- workspace and their SHA-256.
create or replace function ops.begin_artifact(p_token_id uuid, p_run_id uuid, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_epoch bigint := ops.body_epoch(p_body);
  v_new   ops.artifacts;
  v_found ops.artifacts;
begin
  perform ops.check_artifact_name(p_body ->> 'name');
  v_new := ops.artifact_from(p_run_id, v_epoch, p_body);
  perform ops.hold_unreported(p_token_id, p_run_id, v_epoch);
  perform ops.check_table_uri(p_run_id, v_new.table_ref ->> 'uri');

  select * into v_found from ops.artifacts a
   where a.run_id = p_run_id and a.epoch = v_epoch and a.name = v_new.name;
  if v_new.object_key is not null then
    perform pg_advisory_xact_lock_shared(ops.object_lock(v_new.object_key));
    perform ops.spare_object(v_new.object_key);
  end if;
  if v_found.artifact_id is null then
    perform ops.check_artifact_bytes(v_new);
    insert into ops.artifacts select (v_new).* returning * into v_found;
  elsif (v_found.kind, v_found.sha256, v_found.size, v_found.table_ref)
        is distinct from (v_new.kind, v_new.sha256, v_new.size, v_new.table_ref) then
    perform ops.fail('OPC04', format('artifact %L of run %s exists with other content', v_new.name, p_run_id),
      jsonb_build_object('name', v_new.name, 'artifact_id', v_found.artifact_id, 'sha256', v_found.sha256,
        'size', v_found.size), 'Use another name; an artifact is written once.');
  end if;
  return jsonb_build_object(
    'artifact_id', v_found.artifact_id,
    'state', v_found.state,
    'object_key', v_found.object_key,
    'already_stored', v_found.object_key is null or ops.object_is_stored(v_found.object_key));
end
$$;

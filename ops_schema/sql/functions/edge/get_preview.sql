-- What its attempt told of an artifact's content, {preview}, null when nothing; for whom ops.get_artifact shows it to.
create or replace function ops.get_preview(p_token_id uuid, p_artifact_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform ops.get_artifact(p_token_id, p_artifact_id);
  return jsonb_build_object(
    'preview', (select a.preview from ops.artifacts a where a.artifact_id = p_artifact_id));
end
$$;

-- An operator ends a token, with its sessions. Repeating it, or an unknown id, is no error.
create or replace function ops.revoke_token(p_token_id uuid, p_revoked_id uuid) returns jsonb
language plpgsql security definer set search_path = ''
as $$
begin
  perform ops.require(p_token_id, array['operator']);
  perform ops.end_token(p_revoked_id);
  return '{}';
end
$$;

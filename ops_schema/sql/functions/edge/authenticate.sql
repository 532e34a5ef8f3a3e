-- Whom a bearer token names, by the token's SHA-256; null when unknown, revoked or expired. Notes the use at most once
-- in five minutes, so that a busy token costs no writes.
create or replace function ops.authenticate(p_token_sha256 bytea) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_token ops.tokens;
begin
  select * into v_token from ops.tokens t where t.token_sha256 = p_token_sha256;
  if v_token.token_id is null or not ops.token_is_live(v_token) then
    return null;
  end if;
  if v_token.last_used_at is null or v_token.last_used_at < ops.now() - interval '5 minutes' then
    update ops.tokens t set last_used_at = ops.now()
     where t.token_id = v_token.token_id and t.last_used_at is not distinct from v_token.last_used_at;
  end if;
  return ops.principal_json(v_token);
end
$$;

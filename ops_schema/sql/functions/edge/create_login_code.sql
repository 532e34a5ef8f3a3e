-- Remember a one-time login code by its SHA-256; it opens a session with the caller's rights for ten minutes.
create or replace function ops.create_login_code(p_token_id uuid, p_code_sha256 bytea) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_caller ops.tokens  := ops.require(p_token_id, array['operator', 'viewer']);
  v_ends   timestamptz := ops.now() + ops.seconds(ops.setting_number('login_code_seconds'));
begin
  delete from ops.login_codes c where c.expires_at < ops.now() - interval '1 day';
  insert into ops.login_codes (code_sha256, token_id, created_at, expires_at)
  values (p_code_sha256, v_caller.token_id, ops.now(), v_ends);
  return jsonb_build_object('expires_at', ops.iso(v_ends));
end
$$;

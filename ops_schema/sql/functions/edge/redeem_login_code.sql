-- Turn a login code into a session, once. Unknown, spent and late codes get the same answer: OPU03.
create or replace function ops.redeem_login_code(p_code_sha256 bytea, p_session_sha256 bytea) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_token ops.tokens;
  v_ends  timestamptz := ops.now() + ops.seconds(ops.setting_number('session_seconds'));
begin
  update ops.login_codes c set used_at = ops.now()
    from ops.tokens t
   where c.code_sha256 = p_code_sha256 and c.used_at is null and c.expires_at > ops.now()
     and t.token_id = c.token_id and ops.token_is_live(t)
  returning t.* into v_token;
  if v_token.token_id is null then
    perform ops.fail('OPU03', 'this login code is unknown, used or out of date', '{}',
      'Run `control-room login` for a new link.');
  end if;

  delete from ops.sessions s where s.expires_at < ops.now() - interval '1 day';
  insert into ops.sessions (session_sha256, token_id, created_at, expires_at)
  values (p_session_sha256, v_token.token_id, ops.now(), v_ends);
  return ops.principal_json(v_token) || jsonb_build_object('expires_at', ops.iso(v_ends));
end
$$;

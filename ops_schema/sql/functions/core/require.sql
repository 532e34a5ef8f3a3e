-- Guard: who calls, when the token lives and has one of the roles. Returns the token's row.
-- Raises OPU01 (no, unknown, revoked or expired token), OPU02 (another role).
create or replace function ops.require(p_token_id uuid, p_roles text[]) returns ops.tokens
language plpgsql stable set search_path = ''
as $$
declare
  v_token ops.tokens;
begin
  select * into v_token from ops.tokens t where t.token_id = p_token_id;
  if v_token.token_id is null or not ops.token_is_live(v_token) then
    perform ops.fail('OPU01', 'the token is unknown, revoked or expired', '{}', 'Log in again or use a valid token.');
  end if;
  if v_token.role <> all (p_roles) then
    perform ops.fail('OPU02', format('a token of role %s cannot do this', v_token.role),
                     jsonb_build_object('role', v_token.role, 'needed', p_roles),
                     format('Use a token of role %s.', array_to_string(p_roles, ' or ')));
  end if;
  return v_token;
end
$$;

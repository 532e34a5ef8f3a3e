-- Store a token by its SHA-256. The same SHA-256 with the same rights again answers the same token; with others, OPV01.
create or replace function ops.insert_token(p_token_sha256 bytea, p_body jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_token      ops.tokens;
  v_workspaces text[] := ops.text_array(p_body -> 'workspaces', 'workspaces');
begin
  if coalesce(p_body ->> 'role', '') not in ('operator', 'viewer', 'executor') then
    perform ops.invalid('/role', 'must be operator, viewer or executor');
  end if;
  if coalesce(btrim(p_body ->> 'name'), '') = '' or length(p_body ->> 'name') > 200 then
    perform ops.invalid('/name', 'must have 1 to 200 characters');
  end if;
  if p_token_sha256 is null or octet_length(p_token_sha256) <> 32 then
    perform ops.invalid('/token_sha256', 'must be 32 bytes');
  end if;
  perform ops.check_workspaces(v_workspaces);

  insert into ops.tokens as t (token_id, token_sha256, role, name, workspaces, created_at, expires_at)
  values (ops.uuid7(), p_token_sha256, p_body ->> 'role', p_body ->> 'name', v_workspaces, ops.now(),
          (p_body ->> 'expires_at')::timestamptz)
  on conflict (token_sha256) do nothing;

  select * into v_token from ops.tokens t where t.token_sha256 = p_token_sha256;
  if (v_token.role, v_token.name) <> (p_body ->> 'role', p_body ->> 'name')
     or v_token.workspaces is distinct from v_workspaces then
    perform ops.fail('OPV01', 'this token is already registered with other rights', '{}', 'Make a new token.');
  end if;
  return ops.principal_json(v_token) || jsonb_build_object('expires_at', ops.iso(v_token.expires_at));
end
$$;

-- Whom a session cookie names, by the SHA-256 of its value; null when unknown, ended or expired, or its token ended.
create or replace function ops.session_principal(p_session_sha256 bytea) returns jsonb
language sql stable security definer set search_path = ''
as $$
  select ops.principal_json(t)
    from ops.sessions s
    join ops.tokens t on t.token_id = s.token_id
   where s.session_sha256 = p_session_sha256 and s.ended_at is null and s.expires_at > ops.now()
     and ops.token_is_live(t)
$$;

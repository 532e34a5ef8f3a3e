-- End a token: its sessions and unspent login codes end with it. Repeating it, or an unknown id, is no error.
create or replace function ops.end_token(p_token_id uuid) returns void
language plpgsql set search_path = ''
as $$
begin
  update ops.tokens t set revoked_at = ops.now() where t.token_id = p_token_id and t.revoked_at is null;
  update ops.sessions s set ended_at = ops.now() where s.token_id = p_token_id and s.ended_at is null;
  delete from ops.login_codes c where c.token_id = p_token_id and c.used_at is null;
end
$$;

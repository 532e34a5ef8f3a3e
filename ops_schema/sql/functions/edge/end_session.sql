-- Log out. An unknown or ended session is no error.
create or replace function ops.end_session(p_session_sha256 bytea) returns jsonb
language plpgsql security definer set search_path = ''
as $$
begin
  update ops.sessions s set ended_at = ops.now() where s.session_sha256 = p_session_sha256 and s.ended_at is null;
  return '{}';
end
$$;

-- End every live token of this name, for the schema's owner or a superuser; granted to nobody. Repeating it is fine.
-- Returns {revoked: [token_id]}.
create or replace function ops.revoke_tokens_named(p_name text) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_ids uuid[] := array(select t.token_id from ops.tokens t where t.name = p_name and t.revoked_at is null);
begin
  perform ops.end_token(i) from unnest(v_ids) i;
  return jsonb_build_object('revoked', to_jsonb(v_ids));
end
$$;

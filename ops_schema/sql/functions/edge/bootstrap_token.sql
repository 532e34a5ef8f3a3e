-- The first tokens of an installation, made by the schema's owner or a superuser. Granted to nobody.
create or replace function ops.bootstrap_token(p_token_sha256 bytea, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
begin
  return ops.insert_token(p_token_sha256, p_body);
end
$$;

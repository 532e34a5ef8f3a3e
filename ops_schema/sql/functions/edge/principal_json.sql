-- Who a token stands for, as ops_schema.store.Principal reads it.
create or replace function ops.principal_json(p_token ops.tokens) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'token_id', (p_token).token_id,
    'role', (p_token).role,
    'name', (p_token).name,
    'workspaces', to_jsonb((p_token).workspaces))
$$;

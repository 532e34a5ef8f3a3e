-- An operator makes a token: p_body {name, role, workspaces, expires_at}. Only the SHA-256 reaches the database.
create or replace function ops.create_token(p_token_id uuid, p_token_sha256 bytea, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator']);
  v_wanted text[]     := ops.text_array(p_body -> 'workspaces', 'workspaces');
begin
  -- Nobody gives away more than they hold.
  if v_caller.workspaces is not null and (v_wanted is null or not v_wanted <@ v_caller.workspaces) then
    perform ops.fail('OPU02', 'a token opens no more workspaces than its maker may enter',
      jsonb_build_object('workspaces', to_jsonb(v_caller.workspaces)), 'Name workspaces of your own.');
  end if;
  return ops.insert_token(p_token_sha256, p_body);
end
$$;

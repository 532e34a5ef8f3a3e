-- An operator ends a token, with its sessions. One whose token opens some workspaces only ends those that open none but
-- these: OPU02 for others. Repeating it, or an unknown id, is no error.
create or replace function ops.revoke_token(p_token_id uuid, p_revoked_id uuid) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator']);
  v_other  ops.tokens;
begin
  select * into v_other from ops.tokens t where t.token_id = p_revoked_id;
  if v_caller.workspaces is not null and v_other.token_id is not null
     and (v_other.workspaces is null or not v_other.workspaces <@ v_caller.workspaces) then
    perform ops.fail('OPU02', 'this token opens workspaces that its revoker may not enter',
      jsonb_build_object('workspaces', to_jsonb(v_caller.workspaces)),
      'Revoke it with an operator token that opens all of its workspaces.');
  end if;
  perform ops.end_token(p_revoked_id);
  return '{}';
end
$$;

-- Guard: an operator (or one of p_roles) whose token opens every workspace, for what concerns the whole platform.
-- Raises OPU01, OPU02.
create or replace function ops.require_everywhere(p_token_id uuid, p_roles text[] default '{operator}')
returns ops.tokens
language plpgsql stable set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, p_roles);
begin
  if v_caller.workspaces is not null then
    perform ops.fail('OPU02', format('token %s opens some workspaces only; this concerns all of them', v_caller.name),
      jsonb_build_object('workspaces', v_caller.workspaces), 'Use an operator token for all workspaces.');
  end if;
  return v_caller;
end
$$;

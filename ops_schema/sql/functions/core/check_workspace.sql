-- Guard: the workspace exists and the token may work in it. Raises OPN07, OPU02.
create or replace function ops.check_workspace(p_token ops.tokens, p_workspace text) returns void
language plpgsql stable set search_path = ''
as $$
begin
  if not exists (select from ops.workspaces w where w.workspace = p_workspace) then
    perform ops.fail('OPN07', format('there is no workspace %s', p_workspace), '{}', 'See GET /api/v1/workspaces.');
  end if;
  if p_workspace <> all (p_token.workspaces) then
    perform ops.fail('OPU02', format('token %s may not work in workspace %s', p_token.name, p_workspace),
                     jsonb_build_object('workspaces', p_token.workspaces), 'Use a token of that workspace.');
  end if;
end
$$;

-- Whether a caller's token opens a workspace.
create or replace function ops.may_enter(p_caller ops.tokens, p_workspace text) returns boolean
language sql immutable set search_path = ''
as $$
  select (p_caller).workspaces is null or p_workspace = any ((p_caller).workspaces)
$$;

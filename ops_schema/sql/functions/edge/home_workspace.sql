-- Where a caller's things go that name no workspace: `default`, or the first one of a token that does not open it.
create or replace function ops.home_workspace(p_caller ops.tokens) returns text
language sql immutable set search_path = ''
as $$
  select case when ops.may_enter(p_caller, 'default') then 'default' else (p_caller).workspaces[1] end
$$;

-- Whether a path, its parameters filled in, is one of plain names, of which none leads elsewhere or is reserved: _ws is
-- where the tables of other workspaces than `default` lie (ops.workspace_root), *.staged where objects are staged.
create or replace function ops.is_output_path(p_path text) returns boolean
language sql immutable set search_path = ''
as $$
  select coalesce(p_path, '') ~ '^[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*$'
         and p_path !~ '(^|/)(\.{1,2}|_delta_log|[^/]*\.staged)(/|$)' and p_path !~ '^_ws(/|$)'
$$;

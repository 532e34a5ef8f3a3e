-- Where the tables of a workspace lie: `default` directly below the lakehouse root, any other below _ws/<workspace> of
-- it. No path of an output begins with _ws (ops.is_output_path), so that no workspace writes into another's.
create or replace function ops.workspace_root(p_workspace text) returns text
language sql stable set search_path = ''
as $$
  select rtrim(ops.setting('lakehouse_root') #>> '{}', '/')
         || case when p_workspace = 'default' then '' else '/_ws/' || p_workspace end
$$;

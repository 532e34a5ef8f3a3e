-- Where an output lies: a Delta table or an object below the workspace's root in the lakehouse, an Iceberg table below
-- the setting iceberg_root, in a namespace of the workspace. The path is a good one (ops.output_wrong).
create or replace function ops.output_address(p_workspace text, p_format text, p_path text) returns text
language sql stable set search_path = ''
as $$
  select case when p_format = 'iceberg'
    then rtrim(ops.setting('iceberg_root') #>> '{}', '/') || '/'
         || ops.workspace_namespace(p_workspace, split_part(p_path, '/', 1)) || '/' || split_part(p_path, '/', 2)
    else ops.workspace_root(p_workspace) || '/' || p_path end
$$;

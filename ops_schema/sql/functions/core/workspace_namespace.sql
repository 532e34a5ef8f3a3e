-- The Iceberg namespace of a workspace for one that a template names: itself for `default`, else
-- ws_<workspace>__<namespace>, the workspace with _u for _ and _h for -. So each workspace's are its own: the first __
-- ends the workspace (in which each _ is followed by u or h), and it can be read back.
create or replace function ops.workspace_namespace(p_workspace text, p_namespace text) returns text
language sql immutable set search_path = ''
as $$
  select case when p_workspace = 'default' then ''
              else 'ws_' || replace(replace(p_workspace, '_', '_u'), '-', '_h') || '__' end || p_namespace
$$;

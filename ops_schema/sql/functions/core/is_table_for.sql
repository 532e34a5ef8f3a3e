-- Whether runs of a workspace may name the table at this URI as one of theirs, to be read by what follows them: not one
-- of another workspace, nor a folder that holds such, nor one in another's Iceberg namespace. Store keys of a run are
-- narrowed by URI, so what a store's policy or a client takes for more than a name (wildcards, variables, escapes,
-- empty names, dots) is none either. Any other table outside the lakehouse root belongs to no workspace.
create or replace function ops.is_table_for(p_workspace text, p_uri text) returns boolean
language sql stable set search_path = ''
as $$
  select case
    when p_uri !~* '^s3' then true
    when named.uri !~ '^s3://[^/]' or substr(named.uri, 6) ~ '[*?$%#\\]|//|/[.]{1,2}(/|$)' then false
    when starts_with(named.root || '/', named.uri || '/') then false
    when named.uri ~ '/_ws(/|$)' then p_workspace <> 'default' and starts_with(named.uri || '/', named.own || '/')
    when not starts_with(named.uri, named.root || '/') and named.folder ~ '/ws_[^/]*__'
      then p_workspace <> 'default' and not exists (
        select from regexp_split_to_table(named.folder, '/') part
         where part ~ '^ws_.*__' and not starts_with(part, named.space))
    else p_workspace = 'default' or not starts_with(named.uri, named.root || '/')
  end
  from (select regexp_replace(rtrim(p_uri, '/'), '^s3a?://', 's3://') as uri,
               regexp_replace(ops.workspace_root('default'), '^s3a?://', 's3://') as root,
               regexp_replace(ops.workspace_root(p_workspace), '^s3a?://', 's3://') as own,
               regexp_replace(rtrim(p_uri, '/'), '/[^/]*$', '') as folder,
               ops.workspace_namespace(p_workspace, '') as space) named
$$;

-- What is wrong with an output, its path's parameters filled in; null when nothing is.
create or replace function ops.output_wrong(p_format text, p_mode text, p_path text) returns text
language sql immutable set search_path = ''
as $$
  select case
    when p_format not in ('delta', 'iceberg', 'object') then format('%s is no format: delta, iceberg, object', p_format)
    when p_mode not in ('overwrite', case p_format when 'object' then 'create' else 'append' end)
      then format('mode %s is none of format %s', p_mode, p_format)
    when p_format = 'iceberg' and not ops.is_iceberg_path(p_path)
      then format('%s is not namespace/table, each a small letter, then small letters, digits and _, at most 63; '
                  'a namespace that begins with ws_ is reserved', coalesce(p_path, 'null'))
    when p_format <> 'iceberg' and not ops.is_output_path(p_path)
      then format('%s is not a path of plain names below the workspace''s root; _ws is reserved',
                  coalesce(p_path, 'null')) end
$$;

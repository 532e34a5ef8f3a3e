-- Whether a path, its parameters filled in, is namespace/table of the Iceberg catalog. No namespace begins with ws_:
-- those are of other workspaces than `default` (ops.output_address).
create or replace function ops.is_iceberg_path(p_path text) returns boolean
language sql immutable set search_path = ''
as $$
  select coalesce(p_path, '') ~ '^[a-z][a-z0-9_]{0,62}/[a-z][a-z0-9_]{0,62}$' and p_path !~ '^ws_'
$$;

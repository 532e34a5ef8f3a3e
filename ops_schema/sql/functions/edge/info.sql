-- What this database is: needs no token, holds nothing private.
create or replace function ops.info() returns jsonb
language sql stable security definer set search_path = ''
as $$
  select jsonb_build_object(
    'schema_version', (select max(m.version) from ops.schema_migrations m),
    'database_version', current_setting('server_version'),
    'server_time', ops.iso(ops.now()),
    'contract_versions', ops.setting('contract_versions'),
    'kinds', ops.setting('kinds'),
    'lakehouse_root', ops.setting('lakehouse_root'))
$$;

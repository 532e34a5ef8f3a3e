-- Guard: a known setting, with a value that its readers understand. Raises OPV01.
--   lakehouse_root   an s3://bucket/prefix URI, what executors open tables below
--   iceberg_root     an iceberg://name URI, by which executors find the catalog among their connections
--   kinds            a list of names
--   all others but contract_versions (this schema's own): a whole number above 0
create or replace function ops.check_setting(p_key text, p_value jsonb) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_keys text[] := array(select s.key from ops.settings s where s.key <> 'contract_versions' order by s.key);
begin
  if p_key is null or p_key <> all (v_keys) then
    perform ops.invalid('/key', format('there is no setting %L to change', left(p_key, 80)),
                        'One of ' || array_to_string(v_keys, ', ') || '.');
  elsif p_key = 'lakehouse_root' then
    if jsonb_typeof(p_value) is distinct from 'string'
       or p_value #>> '{}' !~ '^s3a?://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.=-]+)*/?$'
       or p_value #>> '{}' ~ '/([.][.]?|_ws)(/|$)' then
      perform ops.invalid('/value', 'must be an S3 URI', 'For example "s3://lakehouse" or "s3://bucket/prefix".');
    end if;
  elsif p_key = 'iceberg_root' then
    if jsonb_typeof(p_value) is distinct from 'string'
       or p_value #>> '{}' !~ '^iceberg://[a-z0-9][a-z0-9_.-]{0,62}$' then
      perform ops.invalid('/value', 'must be iceberg:// and a name', 'For example "iceberg://lakehouse".');
    end if;
  elsif p_key = 'kinds' then
    if jsonb_typeof(p_value) is distinct from 'array' or p_value = '[]'
       or exists (select from jsonb_array_elements(p_value) k
                   where jsonb_typeof(k) <> 'string' or k #>> '{}' !~ '^[a-z][a-z0-9_-]{0,62}$'
                      or k #>> '{}' = 'pipeline') then
      perform ops.invalid('/value', 'must be a list of executor kinds', 'For example ["python", "notebook", "dbt"].');
    end if;
  else
    perform ops.check_number_setting(p_key, p_value);
  end if;
end
$$;

-- Guard: the shape of a publication's commit. table_version: an Iceberg snapshot id has 63 bits. Raises OPV01.
create or replace function ops.check_publish(p_body jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if coalesce(p_body ->> 'state', '') not in ('committed', 'failed') then
    perform ops.invalid('/state', 'must be committed or failed');
  elsif p_body ->> 'state' = 'failed' then
    perform ops.check_error(p_body -> 'error');
  elsif coalesce(p_body ->> 'table_version', '') !~ '^[0-9]{1,19}$' then
    perform ops.invalid('/table_version', 'must be a whole number of at least 0');
  elsif (p_body ->> 'table_version')::numeric > 9223372036854775807 then
    perform ops.invalid('/table_version', 'must be at most 9223372036854775807');
  elsif coalesce(p_body ->> 'rows', '0') !~ '^[0-9]{1,18}$' then
    perform ops.invalid('/rows', 'must be a whole number of at least 0');
  elsif coalesce(jsonb_typeof(p_body -> 'location'), 'null') not in ('null', 'string')
        or length(p_body ->> 'location') not between 1 and 2048 then
    perform ops.invalid('/location', 'must be text of 1 to 2048 characters');
  end if;
end
$$;

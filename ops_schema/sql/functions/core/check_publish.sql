-- Guard: the shape of a publication's commit. Raises OPV01.
create or replace function ops.check_publish(p_body jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if coalesce(p_body ->> 'state', '') not in ('committed', 'failed') then
    perform ops.invalid('/state', 'must be committed or failed');
  elsif p_body ->> 'state' = 'failed' then
    perform ops.check_error(p_body -> 'error');
  elsif coalesce(p_body ->> 'table_version', '') !~ '^[0-9]{1,18}$' then
    perform ops.invalid('/table_version', 'must be a whole number of at least 0');
  elsif coalesce(p_body ->> 'rows', '0') !~ '^[0-9]{1,18}$' then
    perform ops.invalid('/rows', 'must be a whole number of at least 0');
  end if;
end
$$;

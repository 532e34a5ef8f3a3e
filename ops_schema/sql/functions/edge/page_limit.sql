-- How many items of a list are wanted: `limit` of the filters, else the default; OPV01 when out of range.
create or replace function ops.page_limit(p_filters jsonb, p_default int, p_most int) returns int
language plpgsql immutable set search_path = ''
as $$
declare
  v_text text := coalesce(p_filters ->> 'limit', p_default::text);
begin
  if v_text !~ '^[0-9]{1,6}$' or v_text::int not between 1 and p_most then
    perform ops.invalid('/limit', format('must be a whole number from 1 to %s', p_most));
  end if;
  return v_text::int;
end
$$;

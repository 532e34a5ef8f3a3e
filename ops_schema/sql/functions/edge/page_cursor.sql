-- Where a page starts, from a cursor that a former page answered; null at the start.
create or replace function ops.page_cursor(p_cursor text) returns bigint
language plpgsql immutable set search_path = ''
as $$
begin
  if p_cursor !~ '^[0-9]{1,18}$' then
    perform ops.invalid('/cursor', 'must be a cursor that a former page answered', 'Start again without a cursor.');
  end if;
  return p_cursor::bigint;
end
$$;

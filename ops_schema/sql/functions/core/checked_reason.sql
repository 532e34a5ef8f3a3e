-- The reason that an operator gives in a body, or null. Raises OPV01.
create or replace function ops.checked_reason(p_body jsonb) returns text
language plpgsql immutable set search_path = ''
as $$
begin
  if jsonb_typeof(coalesce(p_body, '{}')) <> 'object' then
    perform ops.invalid('/', 'the body must be an object');
  elsif jsonb_typeof(p_body -> 'reason') not in ('string', 'null') or length(p_body ->> 'reason') > 1000 then
    perform ops.invalid('/reason', 'must be text of at most 1000 characters');
  end if;
  return nullif(p_body ->> 'reason', '');
end
$$;

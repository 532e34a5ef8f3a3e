-- Guard: an error is {class, code, message, ...} with one of the four classes. Raises OPV01.
create or replace function ops.check_error(p_error jsonb) returns jsonb
language plpgsql immutable set search_path = ''
as $$
begin
  if jsonb_typeof(p_error) is distinct from 'object' then
    perform ops.invalid('/error', 'must be an object with class, code and message');
  elsif coalesce(p_error ->> 'class', '') not in ('user', 'external', 'internal', 'resources') then
    perform ops.invalid('/error/class', 'must be user, external, internal or resources');
  elsif coalesce(p_error ->> 'code', '') = '' or jsonb_typeof(p_error -> 'message') is distinct from 'string' then
    perform ops.invalid('/error', 'code and message are required');
  end if;
  return p_error;
end
$$;

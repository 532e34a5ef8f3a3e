-- Guard: the shape of a claim. Raises OPV01.
create or replace function ops.check_claim(p_body jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if coalesce(p_body ->> 'request_id', '') !~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    perform ops.invalid('/request_id', 'must be a UUID');
  elsif coalesce(p_body ->> 'max_runs', '') !~ '^[0-9]{1,3}$' or (p_body ->> 'max_runs')::int not between 1 and 100 then
    perform ops.invalid('/max_runs', 'must be between 1 and 100');
  elsif jsonb_typeof(p_body -> 'queues') not in ('array', 'null') then
    perform ops.invalid('/queues', 'must be a list of names or null');
  end if;
end
$$;

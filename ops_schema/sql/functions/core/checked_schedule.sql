-- Guard: the body of ops.reschedule_run; `not_before: null` means now. Returns {priority?, not_before?}. Raises OPV01.
create or replace function ops.checked_schedule(p_body jsonb) returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  v_schedule jsonb := '{}';
begin
  if coalesce(p_body ->> 'priority', '0') !~ '^-?[0-9]{1,9}$' then
    perform ops.invalid('/priority', 'must be a whole number');
  elsif jsonb_typeof(p_body -> 'not_before') not in ('string', 'null') then
    perform ops.invalid('/not_before', 'must be a time, or null for now');
  elsif p_body ->> 'priority' is null and not p_body ? 'not_before' then
    perform ops.invalid('/', 'names no change', 'Give a priority, or a not_before (null: now).');
  end if;
  if p_body ->> 'priority' is not null then
    v_schedule := jsonb_build_object('priority', p_body -> 'priority');
  end if;
  if p_body ? 'not_before' then
    v_schedule := v_schedule || jsonb_build_object('not_before', p_body -> 'not_before');
  end if;
  return v_schedule;
end
$$;

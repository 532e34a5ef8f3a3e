-- Guard: what an executor says of its write paths: {path: fenced | at_least_once}, or nothing. Raises OPV01.
create or replace function ops.check_writes(p_writes jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_wrong text;
begin
  if p_writes is null then
    return;
  elsif jsonb_typeof(p_writes) <> 'object' then
    perform ops.invalid('/capabilities/writes', 'must be an object: {write path: fenced or at_least_once}');
  end if;
  select w.key into v_wrong from jsonb_each(p_writes) w
   where w.value not in ('"fenced"', '"at_least_once"') order by w.key limit 1;
  if v_wrong is not null then
    perform ops.invalid('/capabilities/writes/' || replace(replace(v_wrong, '~', '~0'), '/', '~1'),
                        'must be fenced or at_least_once');
  end if;
end
$$;

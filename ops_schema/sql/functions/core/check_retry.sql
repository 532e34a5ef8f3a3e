-- Guard: a retry policy as a submit gives it; null is none. Raises OPV01.
create or replace function ops.check_retry(p_retry jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_name text;
begin
  for v_name in select jsonb_object_keys(p_retry) loop
    if v_name not in ('backoff_seconds', 'backoff_max_seconds', 'on') then
      perform ops.invalid('/retry/' || v_name, 'is no part of a retry policy',
                          'It has backoff_seconds, backoff_max_seconds and on; max_attempts stands beside it.');
    elsif v_name = 'on' then
      if jsonb_typeof(p_retry -> 'on') <> 'array'
         or not '["user", "external", "internal", "resources"]' @> (p_retry -> 'on') then
        perform ops.invalid('/retry/on', 'must list failure classes: user, external, internal, resources');
      end if;
    elsif jsonb_typeof(p_retry -> v_name) <> 'number'
       or (p_retry ->> v_name)::numeric > (case v_name when 'backoff_seconds' then 86400 else 604800 end)
       or (p_retry ->> v_name)::numeric < 0 then
      perform ops.invalid('/retry/' || v_name, 'must be a number of seconds: backoff_seconds up to 86400, '
                          'backoff_max_seconds up to 604800');
    end if;
  end loop;
end
$$;

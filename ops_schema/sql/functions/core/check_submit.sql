-- Guard: the shapes that the schema relies on. The server has checked the body against its document before. Raises
-- OPV01, OPV05.
create or replace function ops.check_submit(p_body jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_name text;
begin
  if jsonb_typeof(p_body) is distinct from 'object' then
    perform ops.invalid('/', 'the body must be an object');
  end if;
  foreach v_name in array array['template', 'workspace', 'queue', 'not_before', 'deadline', 'idempotency_key',
                                'concurrency_key', 'dedupe_key', 'condition', 'on_conflict', 'traceparent'] loop
    if p_body ? v_name and jsonb_typeof(p_body -> v_name) not in ('string', 'null') then
      perform ops.invalid('/' || v_name, 'must be text');
    end if;
  end loop;
  foreach v_name in array array['template_version', 'priority', 'max_attempts', 'lease_seconds',
                                'concurrency_limit'] loop
    if p_body ? v_name and coalesce(p_body ->> v_name, '0') !~ '^-?[0-9]{1,9}$' then
      perform ops.invalid('/' || v_name, 'must be a whole number');
    end if;
  end loop;
  foreach v_name in array array['labels', 'caps', 'retry'] loop
    if p_body ? v_name and jsonb_typeof(p_body -> v_name) not in ('object', 'null') then
      perform ops.invalid('/' || v_name, 'must be an object');
    end if;
  end loop;
  if coalesce(p_body ->> 'template', '') = '' then
    perform ops.invalid('/template', 'is required');
  elsif (p_body ->> 'lease_seconds')::int not between 10 and 3600 then
    perform ops.invalid('/lease_seconds', 'must be between 10 and 3600');
  elsif (p_body ->> 'concurrency_limit')::int not between 1 and 10000 then
    perform ops.invalid('/concurrency_limit', 'must be between 1 and 10000');
  end if;
  perform ops.check_retry(nullif(p_body -> 'retry', 'null'));
  perform ops.check_together(p_body);
end
$$;

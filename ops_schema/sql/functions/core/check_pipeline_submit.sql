-- Guard: a pipeline run is never claimed, so what rules claims and attempts has no effect on it and is refused, not
-- ignored: OPV01. Its caps are passed down to its tasks.
create or replace function ops.check_pipeline_submit(p_template ops.templates, p_body jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_name text;
begin
  if p_template.kind <> 'pipeline' then
    return;
  end if;
  foreach v_name in array array['max_attempts', 'retry', 'lease_seconds', 'concurrency_key', 'concurrency_limit'] loop
    if p_body ->> v_name is not null then
      perform ops.invalid('/' || v_name, 'has no effect on a pipeline, whose tasks are claimed one by one',
                          format('Say it in the templates of its tasks, and leave %s out.', v_name));
    end if;
  end loop;
end
$$;

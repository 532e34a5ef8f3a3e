-- Whether a run's concurrency key is full: [] or one reason that names the holders.
create or replace function ops.why_key_held(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_limit   int;
  v_holders jsonb;
begin
  select k."limit" into v_limit from ops.concurrency_keys k where k.workspace = p_run.workspace
      and k.key = p_run.concurrency_key;
  select coalesce(jsonb_agg(jsonb_build_object('run_id', r.run_id, 'number', r.number, 'executor_name', e.name)
                            order by r.number), '[]')
    into v_holders
    from ops.leases l join ops.runs r on r.run_id = l.run_id join ops.executors e on e.executor_id = l.executor_id
   where l.workspace = p_run.workspace and l.concurrency_key = p_run.concurrency_key;
  if v_limit is null or jsonb_array_length(v_holders) < v_limit then
    return '[]';
  end if;
  return jsonb_build_array(ops.reason('concurrency_key_held',
    format('concurrency key %s (limit %s) is held by run %s', p_run.concurrency_key, v_limit,
           (select string_agg(format('%s (executor %s)', h ->> 'number', h ->> 'executor_name'), ', ')
              from jsonb_array_elements(v_holders) h)),
    jsonb_build_object('key', p_run.concurrency_key, 'limit', v_limit, 'holders', v_holders)));
end
$$;

-- The state of an executor as people see it: active, paused, draining, lost (silent for too long) or left (it said so).
create or replace function ops.executor_state(p_executor ops.executors) returns text
language sql stable set search_path = ''
as $$
  select case
    when (p_executor).state = 'left' then 'left'
    when (p_executor).last_seen_at < ops.now() - ops.seconds(ops.setting_number('executor_alive_seconds')) then 'lost'
    else (p_executor).state
  end
$$;

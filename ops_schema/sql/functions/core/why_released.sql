-- That a run's last attempt was given back by an executor that left: [] or one reason, attempt_released.
create or replace function ops.why_released(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce((select ops.why_attempt(p_run) from ops.attempts a
                    where a.run_id = p_run.run_id and a.epoch = p_run.epoch - 1
                      and ops.is_released(a.outcome, a.error)), '[]')
$$;

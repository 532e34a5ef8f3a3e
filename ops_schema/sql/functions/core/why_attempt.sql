-- How a run's last attempt ended when it did so without success: [] or one reason, attempt_failed, attempt_capped
-- (which cap, its limit, what was observed), attempt_expired (which executor was not heard of) or attempt_released
-- (which executor left and gave it back).
create or replace function ops.why_attempt(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_attempt  ops.attempts;
  v_executor text;
  v_caps     jsonb;
  v_how      text;
begin
  select * into v_attempt from ops.attempts a where a.run_id = p_run.run_id order by a.epoch desc limit 1;
  if v_attempt.run_id is null or v_attempt.outcome not in ('failed', 'capped', 'expired') then
    return '[]';
  end if;
  select e.name into v_executor from ops.executors e where e.executor_id = v_attempt.executor_id;
  v_caps := ops.caps_met(v_attempt);
  v_how := case when ops.is_released(v_attempt.outcome, v_attempt.error) then 'released' else v_attempt.outcome end;
  return jsonb_build_array(ops.reason('attempt_' || v_how,
    format('attempt %s of at most %s, at executor %s, %s at %s: %s', v_attempt.attempt, p_run.max_attempts, v_executor,
      case v_how when 'failed' then 'failed' when 'capped' then 'was stopped by a cap' when 'released' then 'was given back'
                 else 'was lost' end,
      ops.iso(v_attempt.finished_at),
      coalesce(ops.caps_text(v_caps), format('%s error %s: %s', v_attempt.error ->> 'class',
                                              v_attempt.error ->> 'code', v_attempt.error ->> 'message'))),
    jsonb_build_object('attempt', v_attempt.attempt, 'max_attempts', p_run.max_attempts, 'epoch', v_attempt.epoch,
      'finished_at', ops.iso(v_attempt.finished_at), 'executor_id', v_attempt.executor_id,
      'executor_name', v_executor, 'error', v_attempt.error - 'trace', 'caps', v_caps)));
end
$$;

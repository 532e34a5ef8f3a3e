-- Decide, change nothing: what follows an attempt that ended without success. Returns {decision, reason, delay|null}:
--   finish   reason cancelled | not_retryable | attempts_exhausted | expirations_exhausted | rule
--   escalate a routing rule says so: as finish, and somebody is told
--   wait     a person decides: reason rerun_unsafe | rule
--   retry    after `delay` seconds (0: at once)
-- A run that an executor gave back (ops.is_released) has not failed: no retry policy ends it, but a rule still holds.
-- One that an operator took back (ops.requeue_run) is tried again whatever classes its template has tried again.
create or replace function ops.route_decision(p_run ops.runs, p_spec jsonb, p_outcome text, p_error jsonb) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_spec     jsonb   := ops.own_retry(p_spec, p_run.retry);
  v_class    text    := coalesce(p_error ->> 'class', 'internal');
  v_released boolean := ops.is_released(p_outcome, p_error);
  v_requeued boolean := p_outcome = 'expired' and p_error ->> 'code' = 'requeued';
  v_rule     ops.routing_rules;
begin
  if p_outcome = 'cancelled' or p_run.cancel_requested_at is not null then
    return '{"decision": "finish", "reason": "cancelled"}';
  end if;
  select * into v_rule from ops.routing_rules u
   where u.enabled and coalesce(u.workspace, p_run.workspace) = p_run.workspace
     and coalesce(u.template_name, p_run.template_name) = p_run.template_name
     and coalesce(u.outcome, p_outcome) = p_outcome and coalesce(u.error_class, v_class) = v_class
   order by u.position, u.rule_id limit 1;
  if v_rule.rule_id is not null then
    return jsonb_build_object('decision', v_rule.decision, 'reason', 'rule', 'rule_id', v_rule.rule_id,
                              'notify', v_rule.notify);
  elsif not v_released and not v_requeued and not ops.retry_classes(v_spec) ? v_class then
    return '{"decision": "finish", "reason": "not_retryable"}';
  elsif not v_released and p_run.expirations >= ops.setting_number('max_expirations') then
    return '{"decision": "finish", "reason": "expirations_exhausted"}';
  elsif p_run.attempt >= p_run.max_attempts then
    return '{"decision": "finish", "reason": "attempts_exhausted"}';
  elsif p_spec ->> 'rerun' in ('unsafe', 'checked') then
    -- `checked` wants a probe before the next attempt; there is none yet, so a person looks instead
    return '{"decision": "wait", "reason": "rerun_unsafe"}';
  elsif ops.is_unsure(p_outcome, p_error) and p_spec ->> 'rerun' is null and ops.unfenced_path(p_run) is not null then
    -- what was written by a path that is not fenced would be written twice
    return '{"decision": "wait", "reason": "rerun_unsafe"}';
  end if;
  return jsonb_build_object('decision', 'retry',
                            'reason', format('%s error, attempt %s of %s', v_class, p_run.attempt, p_run.max_attempts),
                            'delay', round(ops.retry_delay(v_spec -> 'retry', p_run.attempt), 3));
end
$$;

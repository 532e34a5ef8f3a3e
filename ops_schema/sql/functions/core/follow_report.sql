-- Mutate and emit: what an accepted report does to its run. A report that ends the run is told by the event of that
-- end; one after which the run goes on has an event of its own. Returns the route {decision, reason, retry_at, ended}.
create or replace function ops.follow_report(p_attempt ops.attempts, p_body jsonb) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_actor text  := ops.executor_actor(p_attempt.executor_id);
  v_told  jsonb := ops.report_told(p_attempt, p_body);
  v_route jsonb := '{"decision": "finish", "reason": "succeeded", "retry_at": null, "ended": true}';
begin
  if p_attempt.outcome <> 'succeeded' then
    v_route := ops.route_run(p_attempt.run_id, p_attempt.outcome, p_attempt.error, v_actor, p_attempt.result,
                             v_told);
  elsif exists (select from ops.publications p where p.run_id = p_attempt.run_id and p.epoch = p_attempt.epoch) then
    update ops.leases set reported_at = ops.now() where run_id = p_attempt.run_id;
    update ops.runs set state_reason = 'publishing' where run_id = p_attempt.run_id;
    perform ops.emit(p_attempt.run_id, 'attempt.reported', p_attempt.epoch, v_actor, v_told);
    perform ops.emit(p_attempt.run_id, 'run.publishing', null, v_actor);
    return '{"decision": "publish", "reason": "publications are to be committed", "retry_at": null, "ended": false}';
  else
    perform ops.finish_run(p_attempt.run_id, 'succeeded', null, v_actor, null, p_attempt.result, v_told);
  end if;
  return v_route;
end
$$;

-- Mutate and emit: a step of the sweep (ops.sweep_each): a run's deadline has passed. One that does not run yet fails;
-- one that runs is asked to stop. Answers {ended}.
create or replace function ops.end_late_one(p_run_id uuid, p_actor text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_run ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id;
  if v_run.state = 'running' then
    update ops.runs set cancel_requested_at = ops.now(), cancel_reason = 'the deadline has passed' where run_id = p_run_id;
    perform ops.emit(p_run_id, 'run.cancel_requested', null, p_actor, '{"reason": "the deadline has passed"}');
    return '{"ended": []}';
  end if;
  perform ops.finish_run(p_run_id, 'failed', 'deadline_passed', p_actor, jsonb_build_object(
    'class', 'external', 'code', 'deadline_passed',
    'message', format('not started by its deadline %s', ops.iso(v_run.deadline))));
  return jsonb_build_object('ended', jsonb_build_array(p_run_id));
end
$$;

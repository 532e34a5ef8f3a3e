-- Mutate and emit: runs whose deadline has passed. Those that do not run yet fail; those that run are asked to stop.
-- Returns how many.
create or replace function ops.end_late_runs(p_limit int, p_actor text) returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_run   record;
  v_ended uuid[] := '{}';
  v_count int := 0;
begin
  for v_run in
    select r.run_id, r.state, r.deadline from ops.runs r
     where r.deadline <= ops.now() and r.state in ('waiting', 'queued', 'running') and r.kind <> 'pipeline'
       and r.cancel_requested_at is null and r.state_reason is distinct from 'publishing'
     order by r.run_id limit p_limit for update skip locked
  loop
    v_count := v_count + 1;
    if v_run.state = 'running' then
      update ops.runs set cancel_requested_at = ops.now(), cancel_reason = 'the deadline has passed'
       where run_id = v_run.run_id;
      perform ops.emit(v_run.run_id, 'run.cancel_requested', null, p_actor, '{"reason": "the deadline has passed"}');
    else
      perform ops.finish_run(v_run.run_id, 'failed', 'deadline_passed', p_actor, jsonb_build_object(
        'class', 'external', 'code', 'deadline_passed',
        'message', format('not started by its deadline %s', ops.iso(v_run.deadline))));
      v_ended := v_ended || v_run.run_id;
    end if;
  end loop;
  perform ops.settle(v_ended, p_actor);
  return v_count;
end
$$;

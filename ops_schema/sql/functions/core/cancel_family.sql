-- Mutate and emit: cancel a run, of a pipeline all its tasks; what follows is settled. The caller has locked the family
-- (ops.lock_family) and checked the run (ops.check_cancel).
create or replace function ops.cancel_family(p_run ops.runs, p_reason text, p_force boolean, p_actor text) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_ended uuid[];
begin
  v_ended := ops.cancel_each(
    array(select r.run_id from ops.runs r
           where (r.run_id = p_run.run_id and r.kind <> 'pipeline') or r.pipeline_run_id = p_run.run_id order by r.run_id),
    p_reason, p_force, p_actor);
  if p_run.kind = 'pipeline' and p_run.cancel_requested_at is null and not ops.is_terminal(p_run.state) then
    update ops.runs set cancel_requested_at = ops.now(), cancel_reason = p_reason where run_id = p_run.run_id;
    perform ops.emit(p_run.run_id, 'run.cancel_requested', null, p_actor, jsonb_build_object('reason', p_reason));
  end if;
  perform ops.settle(v_ended, p_actor);
end
$$;

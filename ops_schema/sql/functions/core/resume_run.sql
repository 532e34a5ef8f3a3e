-- Resume a paused run, a pipeline with all its tasks: a queued one enters the ready index at the end of its priority,
-- with a new ready sequence; one whose time came meanwhile is queued now. Resuming a run that is not paused is no
-- error.
--   p_body {reason?}
-- Returns the Run. Raises OPU01, OPU02, OPN01, OPC05 with {state} (it has ended, or is publishing), OPV01.
create or replace function ops.resume_run(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token   ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id  uuid       := ops.resolve_run(p_token_id, p_ref);
  v_reason  text       := ops.checked_reason(p_body);
  v_resumed uuid[];
begin
  perform ops.gather_ready(true);
  perform ops.check_steerable(ops.lock_family(v_run_id));

  v_resumed := ops.set_paused(
    array(select r.run_id from ops.runs r where r.run_id = v_run_id or r.pipeline_run_id = v_run_id),
    false, v_reason, 'operator:' || v_token.name);
  perform ops.draw_ready(array(select r.run_id from ops.runs r
                                where r.run_id = any (v_resumed) and r.state = 'queued' order by r.ready_seq));
  perform ops.enqueue(array(select r.run_id from ops.runs r where r.run_id = any (v_resumed) and ops.is_due(r)
                             order by r.not_before), 'operator:' || v_token.name);
  perform ops.notify_gathered();
  return ops.run_json(v_run_id);
end
$$;

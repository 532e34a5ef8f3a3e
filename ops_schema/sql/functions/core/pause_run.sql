-- Pause a run: it is claimed no more until it is resumed. A queued one leaves the ready index, a waiting one goes on
-- waiting, one that runs finishes its attempt and gets no other. A pipeline with all its tasks. Deadlines still count.
-- Pausing a paused run again is no error and tells nothing new.
--   p_body {reason?}
-- Returns the Run. Raises OPU01, OPU02, OPN01, OPC05 with {state} (it has ended, or is publishing), OPV01.
create or replace function ops.pause_run(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token  ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id uuid       := ops.resolve_run(p_token_id, p_ref);
  v_reason text       := ops.checked_reason(p_body);
begin
  perform ops.check_steerable(ops.lock_family(v_run_id));

  perform ops.set_paused(array(select r.run_id from ops.runs r where r.run_id = v_run_id or r.pipeline_run_id = v_run_id),
                         true, v_reason, 'operator:' || v_token.name);
  return ops.run_json(v_run_id);
end
$$;

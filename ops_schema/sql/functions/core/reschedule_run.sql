-- Reschedule a run that waits or is queued, of a pipeline all tasks that do: another priority, or another time before
-- which it does not start (null: now). A queued run goes to the end of its new priority. What changes nothing is no
-- error and tells nothing new.
--   p_body {priority?, not_before?, reason?}
-- Returns the Run. Raises OPU01, OPU02, OPN01, OPC05 with {state} (it runs, has ended, waits for a person), OPV01.
create or replace function ops.reschedule_run(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token    ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id   uuid       := ops.resolve_run(p_token_id, p_ref);
  v_reason   text       := ops.checked_reason(p_body);
  v_schedule jsonb      := ops.checked_schedule(p_body);
begin
  perform ops.gather_ready(true);
  perform ops.check_reschedule(ops.lock_family(v_run_id), v_schedule);

  perform ops.reschedule_each(
    array(select r.run_id from ops.runs r where r.run_id = v_run_id or r.pipeline_run_id = v_run_id),
    v_schedule, v_reason, 'operator:' || v_token.name);
  perform ops.notify_gathered();
  return ops.run_json(v_run_id);
end
$$;

-- Cancel a run, or a pipeline with all its children. What does not run yet is cancelled at once; what runs is asked to
-- stop by its next heartbeat, or loses its lease at once with force. Cancelling a cancelled run again is no error.
--   p_body {reason?, force?}
-- Returns the Run. Raises OPU01, OPU02, OPN01, OPC05 with {state} (it has ended another way, or is publishing what was
-- accepted), OPV01.
create or replace function ops.cancel_run(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token  ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id uuid       := ops.resolve_run(p_token_id, p_ref);
  v_reason text       := coalesce(nullif(p_body ->> 'reason', ''), 'cancelled by ' || v_token.name);
  v_run    ops.runs;
begin
  if length(v_reason) > 1000 or jsonb_typeof(p_body -> 'force') not in ('boolean', 'null') then
    perform ops.invalid('/', 'reason must be at most 1000 characters, force true or false');
  end if;
  v_run := ops.lock_family(v_run_id);
  perform ops.check_cancel(v_run);

  perform ops.gather_ready(true);
  perform ops.cancel_family(v_run, v_reason, coalesce((p_body ->> 'force')::boolean, false), 'operator:' || v_token.name);
  perform ops.notify_gathered();
  return ops.run_json(v_run_id);
end
$$;

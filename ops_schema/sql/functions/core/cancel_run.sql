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
  v_ended  uuid[];
begin
  if length(v_reason) > 1000 or jsonb_typeof(p_body -> 'force') not in ('boolean', 'null') then
    perform ops.invalid('/', 'reason must be at most 1000 characters, force true or false');
  end if;
  -- children in run-id order, then the pipeline: the lock order of the schema
  perform from ops.runs r where r.pipeline_run_id = v_run_id order by r.run_id for update;
  select * into v_run from ops.runs r where r.run_id = v_run_id for update;
  perform ops.check_cancel(v_run);

  v_ended := ops.cancel_each(
    array(select r.run_id from ops.runs r
           where (r.run_id = v_run_id and r.kind <> 'pipeline') or r.pipeline_run_id = v_run_id order by r.run_id),
    v_reason, coalesce((p_body ->> 'force')::boolean, false), 'operator:' || v_token.name);
  if v_run.kind = 'pipeline' and v_run.cancel_requested_at is null and not ops.is_terminal(v_run.state) then
    update ops.runs set cancel_requested_at = ops.now(), cancel_reason = v_reason where run_id = v_run_id;
    perform ops.emit(v_run_id, 'run.cancel_requested', null, 'operator:' || v_token.name,
        jsonb_build_object('reason', v_reason));
  end if;
  perform ops.settle(v_ended, 'operator:' || v_token.name);
  return ops.run_json(v_run_id);
end
$$;

-- Retry: a new run of the same template version with the same parameters, retry_of pointing at the ended one. For a
-- pipeline that did not succeed: a new pipeline run in which the tasks that succeeded are not run again; the children
-- that depend on them take their outputs from the old runs. For one that did: a whole new one.
-- A run that waits because its rerun is unsafe, or because a rule holds it, goes on itself: a person has now decided.
-- The same key with the same body again answers the same run, with `repeated: true`.
--   p_body {idempotency_key?, failed_only?, template?, checked?}; failed_only false: of a pipeline that did not
--          succeed, too, all tasks anew; template 'latest': the newest version (see ops.rerun), 'same' or none: the
--          one it had; checked: what that version makes of the parameters
-- Returns the Run. Raises OPU01, OPU02, OPN01, OPC03, OPC05 (it has not ended, is a task of a pipeline run that waits,
-- or is being retried), OPC12 (see ops.rerun), OPV01, OPV02.
create or replace function ops.retry_run(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token  ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id uuid       := ops.resolve_run(p_token_id, p_ref);
  v_digest bytea      := ops.digest(coalesce(p_body, '{}') - 'checked' || jsonb_build_object('retry_of', v_run_id));
  v_latest boolean    := coalesce(p_body ->> 'template' = 'latest', false);
  v_run    ops.runs;
  v_found  uuid;
begin
  if jsonb_typeof(p_body -> 'failed_only') not in ('boolean', 'null') then
    perform ops.invalid('/failed_only', 'must be true or false');
  elsif p_body ->> 'template' not in ('same', 'latest') then
    perform ops.invalid('/template', 'must be same or latest');
  end if;
  select * into v_run from ops.runs r where r.run_id = v_run_id;
  v_found := ops.repeated_submit(v_run.workspace, p_body ->> 'idempotency_key', v_digest);
  if v_found is not null then
    return ops.run_json(v_found) || '{"repeated": true}';
  end if;
  perform ops.gather_ready(true);
  perform ops.lock_tries(array[v_run_id]);
  select * into v_run from ops.runs r where r.run_id = v_run_id for update;
  if v_run.state = 'waiting' and v_run.state_reason in ('rerun_unsafe', 'held_by_rule') then
    if v_latest then
      perform ops.invalid('/template', format('run %s goes on itself, with version %s', v_run.number,
        v_run.template_version), 'Cancel it first; the cancelled run can be retried with the newest version.');
    end if;
    perform ops.enqueue(array[v_run_id], 'operator:' || v_token.name);
    insert into ops.retry_requests (workspace, idempotency_key, request_digest, run_id, created_at)
    select v_run.workspace, p_body ->> 'idempotency_key', v_digest, v_run_id, ops.now()
     where p_body ->> 'idempotency_key' is not null;
    perform ops.notify_gathered();
    return ops.run_json(v_run_id);
  elsif not ops.is_terminal(v_run.state) then
    perform ops.fail('OPC05', format('run %s is %s', v_run.number, v_run.state),
                     jsonb_build_object('state', v_run.state),
                     'Retry a run that has ended; cancel this one first.');
  end if;
  perform ops.check_not_held(v_run);
  perform ops.check_not_retried(v_run);
  v_found := ops.rerun(v_run, p_body ->> 'idempotency_key', jsonb_build_object(
    'workspace', v_run.workspace, 'submitted_by', v_token.name, 'retry_of', v_run_id,
    'digest', encode(v_digest, 'hex')), coalesce((p_body ->> 'failed_only')::boolean, true), v_latest,
    nullif(p_body -> 'checked', 'null'));
  perform ops.notify_gathered();
  return ops.run_json(v_found);  -- a statement of its own, which sees the new run
end
$$;

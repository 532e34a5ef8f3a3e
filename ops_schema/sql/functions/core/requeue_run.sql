-- Requeue a running run whose executor is lost, without waiting for its lease to end: does at once what the sweeper
-- would do then. The epoch rises, the attempt is expired and its run routed: back to the queue without a backoff, or
-- failed when that was its last attempt, or waiting for a person when a rerun is unsafe. What the old executor still
-- sends is refused. An operator's word, so `force` must be true.
--   p_body {force, epoch, reason?}; epoch: the one to revoke, so that a request that is sent again takes the run from
--   nobody else. The same epoch again is no error.
-- Returns the Run. Raises OPU01, OPU02, OPN01, OPC05 with {state, epoch} (it does not run, or in another epoch), OPV01.
create or replace function ops.requeue_run(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token  ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id uuid       := ops.resolve_run(p_token_id, p_ref);
  v_reason text       := ops.checked_reason(p_body);
  v_actor  text       := 'operator:' || v_token.name;
  v_error  jsonb      := jsonb_build_object('class', 'internal', 'code', 'requeued', 'message',
    format('%s took the run back at %s%s', v_actor, ops.iso(ops.now()), coalesce(': ' || v_reason, '')));
  v_epoch  bigint;
  v_run    ops.runs;
begin
  if p_body -> 'force' is distinct from 'true' then
    perform ops.invalid('/force', 'must be true', 'The executor may still be at work; what it does is then thrown away.');
  end if;
  if coalesce(p_body -> 'epoch', 'null') = 'null' then
    perform ops.invalid('/epoch', 'is required', 'Send the epoch to revoke, as the run shows it: a later one stays.');
  end if;
  v_epoch := ops.body_epoch(p_body);
  select * into v_run from ops.runs r where r.run_id = v_run_id for update;
  if v_run.epoch <> v_epoch and exists (select from ops.attempts a where a.run_id = v_run_id and a.epoch = v_epoch
                                           and a.outcome = 'expired') then
    return ops.run_json(v_run_id);
  end if;
  perform ops.check_steerable(v_run);
  if v_run.state <> 'running' or v_run.kind = 'pipeline' or v_run.epoch <> v_epoch then
    perform ops.fail('OPC05', format('%s %s is %s%s', case v_run.kind when 'pipeline' then 'pipeline run' else 'run' end,
        v_run.number, v_run.state, case when v_run.epoch <> v_epoch then format(' in epoch %s', v_run.epoch) else '' end),
      jsonb_build_object('state', v_run.state, 'epoch', v_run.epoch), 'Only a run that an executor holds can be requeued.');
  end if;

  perform ops.tell_orders(array[v_run.executor_id]);
  perform ops.gather_ready(true);
  perform ops.settle(array(select jsonb_array_elements_text(ops.take_back(v_run_id, v_error, v_actor,
    jsonb_build_object('reason', v_reason)) -> 'ended')::uuid), v_actor);
  perform ops.notify_gathered();
  return ops.run_json(v_run_id);
end
$$;

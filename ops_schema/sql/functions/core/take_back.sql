-- Mutate and emit: take a running run from its executor for another try: the epoch rises, the attempt is expired, the
-- run is routed without a backoff. The caller holds the run's lock.
create or replace function ops.take_back(p_run ops.runs, p_reason text, p_actor text) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_lease ops.leases;
  v_error jsonb;
begin
  select * into v_lease from ops.leases l where l.run_id = p_run.run_id for update;
  v_error := jsonb_build_object('class', 'internal', 'code', 'requeued', 'message',
    format('%s took the run back at %s%s', p_actor, ops.iso(ops.now()), coalesce(': ' || p_reason, '')));
  update ops.attempts set outcome = 'expired', finished_at = ops.now(), error = v_error
   where run_id = p_run.run_id and epoch = p_run.epoch;
  update ops.artifacts set state = 'orphaned', orphaned_at = ops.now()
   where run_id = p_run.run_id and epoch = p_run.epoch and state in ('begun', 'recorded');
  update ops.runs set epoch = epoch + 1, expirations = expirations + 1 where run_id = p_run.run_id;

  perform ops.emit(p_run.run_id, 'attempt.expired', p_run.epoch, p_actor, jsonb_build_object(
    'executor_id', v_lease.executor_id, 'lease_deadline', ops.iso(v_lease.lease_deadline), 'reason', p_reason));
  if (ops.route_run(p_run.run_id, 'expired', v_error, p_actor, null, null, true) ->> 'ended')::boolean then
    perform ops.settle(array[p_run.run_id], p_actor);
  end if;
end
$$;

-- Mutate and emit: take a running run from its executor for another try: the epoch rises, the attempt is expired with
-- p_error, the run is routed, without a backoff unless p_at_once is false. It counts as an expiration, unless the
-- executor gave the run back itself (ops.is_released): then the attempt costs nothing, and the run may have one more.
-- The caller holds the run's lock, and settles what ended. p_told: what the event says beside.
-- Answers {ended: [run_id], epoch, decision}, as a step of ops.sweep_each.
create or replace function ops.take_back(
  p_run_id uuid, p_error jsonb, p_actor text, p_told jsonb, p_at_once boolean default true)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_lease ops.leases;
  v_more  jsonb := '{}';
  v_route jsonb;
begin
  select * into v_lease from ops.leases l where l.run_id = p_run_id for update;
  update ops.attempts set outcome = 'expired', finished_at = ops.now(), error = p_error, metrics = v_lease.metrics,
      usage = coalesce(v_lease.usage, '{}')
   where run_id = p_run_id and epoch = v_lease.epoch;
  update ops.artifacts set state = 'orphaned', orphaned_at = ops.now()
   where run_id = p_run_id and epoch = v_lease.epoch and state in ('begun', 'recorded');
  if ops.is_released('expired', p_error) then
    update ops.runs set epoch = epoch + 1, max_attempts = max_attempts + 1 where run_id = p_run_id
    returning jsonb_build_object('max_attempts', max_attempts) into v_more;
  else
    update ops.runs set epoch = epoch + 1, expirations = expirations + 1 where run_id = p_run_id;
  end if;

  perform ops.emit(p_run_id, 'attempt.expired', v_lease.epoch, p_actor, p_told || v_more || jsonb_build_object(
    'executor_id', v_lease.executor_id, 'lease_deadline', ops.iso(v_lease.lease_deadline)));
  v_route := ops.route_run(p_run_id, 'expired', p_error, p_actor, null, null, p_at_once);
  return jsonb_build_object('epoch', v_lease.epoch, 'decision', v_route -> 'decision',
    'ended', case when (v_route ->> 'ended')::boolean then jsonb_build_array(p_run_id) else '[]' end);
end
$$;

-- Mutate and emit: a step of the sweep (ops.sweep_each): a lease is past its deadline; the epoch rises, the attempt is
-- expired, the run is routed. The caller holds run and lease. Answers {ended, epoch, decision}.
create or replace function ops.expire_one(p_run_id uuid, p_actor text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_lost  ops.leases;
  v_error jsonb;
  v_route jsonb;
begin
  select * into v_lost from ops.leases l where l.run_id = p_run_id;
  v_error := ops.expired_error(v_lost.lease_deadline);
  update ops.attempts a set outcome = 'expired', finished_at = ops.now(), error = v_error
   where a.run_id = p_run_id and a.epoch = v_lost.epoch;
  update ops.artifacts f set state = 'orphaned', orphaned_at = ops.now()
   where f.run_id = p_run_id and f.epoch = v_lost.epoch and f.state in ('begun', 'recorded');
  update ops.runs r set epoch = r.epoch + 1, expirations = r.expirations + 1 where r.run_id = p_run_id;

  perform ops.emit(p_run_id, 'attempt.expired', v_lost.epoch, p_actor, jsonb_build_object(
    'executor_id', v_lost.executor_id, 'lease_deadline', ops.iso(v_lost.lease_deadline)));
  v_route := ops.route_run(p_run_id, 'expired', v_error, p_actor);
  return jsonb_build_object('epoch', v_lost.epoch, 'decision', v_route -> 'decision',
    'ended', case when (v_route ->> 'ended')::boolean then jsonb_build_array(p_run_id) else '[]' end);
end
$$;

-- Sweep: revoke leases past their deadline, at most p_limit, and route their runs; then end the runs whose cancellation
-- nobody obeyed within a lease and the grace. Never touches a run whose report was accepted.
--
-- One statement selects with SKIP LOCKED, raises the epoch and ends the attempt; a renewal or a report that is under
-- way keeps its run. After a pause of the sweeper's own that is longer than the time between two renewals, a
-- lease has its whole length from the sweeper's return.
-- Returns {expired: [{run_id, epoch, decision}]}.
create or replace function ops.expire_leases(p_limit int) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now     timestamptz := ops.now();
  v_lost    record;
  v_route   jsonb;
  v_ended   uuid[] := '{}';
  v_expired jsonb  := '[]';
begin
  perform ops.gather_ready(true);
  perform ops.sweeper_resumed();
  for v_lost in
    with late as materialized (
      select l.run_id, l.epoch, l.executor_id, l.lease_deadline
        from ops.leases l join ops.runs r on r.run_id = l.run_id
       where l.lease_deadline < v_now and l.reported_at is null
         and ops.sweeper_back(l.lease_seconds) + ops.seconds(l.lease_seconds) <= v_now
       order by l.run_id limit p_limit for update of r, l skip locked
    ), ended as (
      update ops.attempts a set outcome = 'expired', finished_at = v_now, error = ops.expired_error(e.lease_deadline)
        from late e where a.run_id = e.run_id and a.epoch = e.epoch
    ), orphaned as (
      update ops.artifacts f set state = 'orphaned', orphaned_at = v_now
        from late e where f.run_id = e.run_id and f.epoch = e.epoch and f.state in ('begun', 'recorded')
    ), revoked as (
      update ops.runs r set epoch = r.epoch + 1, expirations = r.expirations + 1, revoked_reason = 'expired'
        from late e where r.run_id = e.run_id
    )
    select * from late order by run_id
  loop
    perform ops.emit(v_lost.run_id, 'attempt.expired', v_lost.epoch, 'reactor', jsonb_build_object(
      'executor_id', v_lost.executor_id, 'lease_deadline', ops.iso(v_lost.lease_deadline)));
    v_route := ops.route_run(v_lost.run_id, 'expired', ops.expired_error(v_lost.lease_deadline), 'reactor');
    if (v_route ->> 'ended')::boolean then
      v_ended := v_ended || v_lost.run_id;
    end if;
    v_expired := v_expired || jsonb_build_object('run_id', v_lost.run_id, 'epoch', v_lost.epoch,
                                                   'decision', v_route -> 'decision');
  end loop;
  v_ended := v_ended || ops.enforce_cancels(p_limit);
  perform ops.settle(v_ended, 'reactor');
  delete from ops.claim_requests
   where created_at < v_now - make_interval(hours => ops.setting_number('claim_request_hours')::int);
  perform ops.notify_gathered();
  perform ops.drop_idle_keys(1000);
  return jsonb_build_object('expired', v_expired);
end
$$;

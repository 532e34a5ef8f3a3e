-- Sweep: revoke leases past their deadline, at most p_limit, and route their runs; then end the runs whose cancellation
-- nobody obeyed within a lease and the grace, and take back those that were told to stop for a cap. Never touches a run
-- whose report was accepted.
--
-- One statement selects and locks with SKIP LOCKED, and what it found is revoked under those locks; a renewal or a
-- report that is under way keeps its run. After a pause of the sweeper's own that is longer than the time between two
-- renewals, a lease has its whole length from the sweeper's return. A run that raises is passed over (ops.sweep_each).
-- Returns {expired: [{run_id, epoch, decision}]}.
create or replace function ops.expire_leases(p_limit int) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now    timestamptz := ops.now();
  v_late   uuid[];
  v_cancel uuid[];
  v_capped uuid[];
  v_done   jsonb;
begin
  perform ops.gather_ready(true);
  perform ops.sweeper_resumed();
  v_late := array(
    select l.run_id from ops.leases l join ops.runs r on r.run_id = l.run_id
     where l.lease_deadline < v_now and l.reported_at is null
       and ops.sweeper_back(l.lease_seconds) + ops.seconds(l.lease_seconds) <= v_now
     order by l.run_id limit p_limit for update of r, l skip locked);
  v_cancel := ops.unheeded_cancels(p_limit, v_late);
  v_capped := ops.unheeded_caps(p_limit, v_late || v_cancel);
  v_done := ops.sweep_each(array_fill('expire_one'::text, array[cardinality(v_late)])
                           || array_fill('revoke_one'::text, array[cardinality(v_cancel)])
                           || array_fill('take_capped_one'::text, array[cardinality(v_capped)]),
                           v_late || v_cancel || v_capped, 'reactor');
  delete from ops.claim_requests
   where created_at < v_now - make_interval(hours => ops.setting_number('claim_request_hours')::int);
  perform ops.notify_gathered();
  perform ops.drop_idle_keys(1000);
  perform ops.drop_empty_floors(1000);
  return jsonb_build_object('expired', (select coalesce(jsonb_agg(d - 'ended'), '[]') from jsonb_array_elements(v_done) d
                                         where d ? 'decision'));
end
$$;

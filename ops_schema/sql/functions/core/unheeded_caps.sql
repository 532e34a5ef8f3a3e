-- Lock: runs that were told to stop because a cap was passed longer ago than a lease and the grace, and whose executor
-- has not obeyed, and their leases, without waiting and but p_but.
create or replace function ops.unheeded_caps(p_limit int, p_but uuid[]) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_now   timestamptz := ops.now();
  v_grace interval    := ops.seconds(ops.setting_number('cancel_grace_seconds'));
begin
  return array(
    select r.run_id from ops.cap_ledger e
      join ops.leases l on l.run_id = e.run_id and l.epoch = e.epoch and l.reported_at is null
      join ops.runs r on r.run_id = l.run_id
     where e.layer = 'control_room' and e.action <> 'warned' and r.cancel_requested_at is null and r.run_id <> all (p_but)
       and greatest(e.at, ops.sweeper_back(r.lease_seconds)) + ops.seconds(r.lease_seconds) + v_grace < v_now
     order by r.run_id limit p_limit for update of r, l skip locked);
end
$$;

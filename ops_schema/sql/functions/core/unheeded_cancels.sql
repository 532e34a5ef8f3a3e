-- Lock: runs whose cancellation was asked for longer ago than a lease and the grace, and whose executor has not obeyed,
-- and their leases, without waiting and but p_but.
create or replace function ops.unheeded_cancels(p_limit int, p_but uuid[]) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_now   timestamptz := ops.now();
  v_grace interval    := ops.seconds(ops.setting_number('cancel_grace_seconds'));
begin
  return array(
    select r.run_id from ops.runs r join ops.leases l on l.run_id = r.run_id
     where r.state = 'running' and r.cancel_requested_at is not null and r.kind <> 'pipeline'
       and r.state_reason is distinct from 'publishing' and r.run_id <> all (p_but)
       and greatest(r.cancel_requested_at, ops.sweeper_back(r.lease_seconds)) + ops.seconds(r.lease_seconds) + v_grace < v_now
     order by r.run_id limit p_limit for update of r, l skip locked);
end
$$;

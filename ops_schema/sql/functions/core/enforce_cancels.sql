-- Mutate and emit: runs whose cancellation was asked for longer ago than a lease and the grace, and whose executor has
-- not obeyed: the lease is revoked and the run cancelled. Returns them; the caller settles.
create or replace function ops.enforce_cancels(p_limit int) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_now   timestamptz := ops.now();
  v_grace interval    := ops.seconds(ops.setting_number('cancel_grace_seconds'));
  v_run   ops.runs;
  v_ended uuid[] := '{}';
begin
  for v_run in
    select r.* from ops.runs r
     where r.state = 'running' and r.cancel_requested_at is not null and r.kind <> 'pipeline'
       and r.state_reason is distinct from 'publishing'
       and greatest(r.cancel_requested_at, ops.sweeper_back(r.lease_seconds)) + ops.seconds(r.lease_seconds) + v_grace < v_now
     order by r.run_id limit p_limit for update skip locked
  loop
    perform ops.revoke(v_run, 'reactor');
    v_ended := v_ended || v_run.run_id;
  end loop;
  return v_ended;
end
$$;

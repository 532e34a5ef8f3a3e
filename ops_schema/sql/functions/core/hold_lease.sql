-- Guard and lock for attempt-side verbs that add to an attempt (logs, artifacts): the run is locked until the
-- transaction ends, so that no revocation or report can pass in between, then (run, epoch) must hold the lease.
-- A lease past its deadline that nobody has revoked is still current. Renewals touch the lease alone and do not wait.
-- Raises OPU01, OPN01, OPU02 (held by an executor of another token), OPC01 (stale epoch).
create or replace function ops.hold_lease(p_token_id uuid, p_run_id uuid, p_epoch bigint) returns ops.leases
language plpgsql volatile set search_path = ''
as $$
declare
  v_token ops.tokens := ops.require(p_token_id, array['executor']);
  v_lease ops.leases;
begin
  perform from ops.runs r where r.run_id = p_run_id for no key update;
  perform ops.check_attempt_owner(v_token, p_run_id, p_epoch);
  select * into v_lease from ops.leases l where l.run_id = p_run_id and l.epoch = p_epoch;
  if v_lease.run_id is null then
    perform ops.lease_lost(p_run_id, p_epoch);
  end if;
  return v_lease;
end
$$;

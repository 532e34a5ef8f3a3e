-- Guard and lock as ops.hold_lease, for what must come before the report: an attempt whose report was accepted (its
-- publications are still going out) adds nothing more. Raises what ops.hold_lease raises, OPC01 for the reported one.
create or replace function ops.hold_unreported(p_token_id uuid, p_run_id uuid, p_epoch bigint) returns ops.leases
language plpgsql volatile set search_path = ''
as $$
declare
  v_lease ops.leases := ops.hold_lease(p_token_id, p_run_id, p_epoch);
begin
  if v_lease.reported_at is not null then
    perform ops.fail('OPC01', format('run %s: epoch %s has reported and adds nothing more', p_run_id, p_epoch),
      jsonb_build_object('run_id', p_run_id, 'epoch_sent', p_epoch, 'epoch_current', p_epoch, 'reason', 'terminal',
        'run_state', (select r.state from ops.runs r where r.run_id = p_run_id)),
      'Send artifacts before the report.');
  end if;
  return v_lease;
end
$$;

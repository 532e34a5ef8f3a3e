-- What a running run is doing: running, publishing, paused, cancel_requested, lease_lapsed (its executor is silent).
create or replace function ops.why_running(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_lease   ops.leases;
  v_reasons jsonb := '[]';  -- what it does comes first
begin
  select * into v_lease from ops.leases l where l.run_id = p_run.run_id;
  if p_run.state_reason = 'publishing' then
    v_reasons := v_reasons || ops.reason('publishing', 'its report was accepted; outputs are being committed', (
      select jsonb_build_object('outputs', jsonb_agg(p.output order by p.output)) from ops.publications p
       where p.run_id = p_run.run_id and p.epoch = p_run.epoch and p.state = 'recorded'));
  else
    v_reasons := v_reasons || ops.reason('running', case p_run.kind when 'pipeline' then 'tasks of it have started'
                                                                    else 'it is running' end, jsonb_build_object(
      'executor_id', v_lease.executor_id, 'lease_deadline', ops.iso(v_lease.lease_deadline)));
  end if;
  v_reasons := v_reasons || ops.why_paused(p_run);
  if p_run.cancel_requested_at is not null then
    v_reasons := v_reasons || ops.reason('cancel_requested', format('cancelling: %s', p_run.cancel_reason));
  end if;
  if v_lease.lease_deadline < ops.now() then
    v_reasons := v_reasons || ops.reason('lease_lapsed', format('its executor is silent; the lease ended at %s',
        ops.iso(v_lease.lease_deadline)));
  end if;
  return v_reasons;
end
$$;

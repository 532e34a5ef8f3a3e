-- Guard: a run that has not ended another way and whose report is not accepted. Raises OPC05.
create or replace function ops.check_cancel(p_run ops.runs) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if p_run.state in ('succeeded', 'failed', 'skipped') then
    perform ops.fail('OPC05', format('run %s has %s already', p_run.number, p_run.state),
      jsonb_build_object('state', p_run.state), 'Only a run that has not ended can be cancelled.');
  elsif p_run.state_reason = 'publishing' then
    perform ops.fail('OPC05', format('run %s has succeeded and is publishing its outputs', p_run.number),
      jsonb_build_object('state', p_run.state, 'state_reason', p_run.state_reason), 'Wait until it has ended.');
  end if;
end
$$;

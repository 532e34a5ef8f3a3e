-- Guard: a run that has not ended and whose report is not accepted: one that an operator can still steer. Raises OPC05.
create or replace function ops.check_steerable(p_run ops.runs) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if ops.is_terminal(p_run.state) then
    perform ops.fail('OPC05', format('run %s %s %s already', p_run.number,
        case when p_run.state in ('succeeded', 'failed') then 'has' else 'was' end, p_run.state),
      jsonb_build_object('state', p_run.state), 'What has ended is final; `control-room runs retry` makes a new run.');
  elsif p_run.state_reason = 'publishing' then
    perform ops.fail('OPC05', format('run %s has succeeded and is publishing its outputs', p_run.number),
      jsonb_build_object('state', p_run.state, 'state_reason', p_run.state_reason), 'Wait until it has ended.');
  end if;
end
$$;

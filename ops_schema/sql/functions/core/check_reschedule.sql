-- Guard: the body of ops.reschedule_run, and a run whose schedule still counts. Raises OPV01, OPC05.
create or replace function ops.check_reschedule(p_run ops.runs, p_body jsonb) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_why text;
begin
  perform ops.check_steerable(p_run);
  if p_run.kind = 'pipeline' then
    return;
  end if;
  v_why := case
    when p_run.state = 'running' then 'is running'
    when p_run.state = 'queued' and (p_body ->> 'not_before')::timestamptz > ops.now()
      then 'is queued already, its time has come'
    when p_run.state_reason in ('rerun_unsafe', 'held_by_rule') and p_body ? 'not_before'
      then 'waits for a person, not for a time' end;
  if v_why is not null then
    perform ops.fail('OPC05', format('run %s %s', p_run.number, v_why),
      jsonb_build_object('state', p_run.state, 'state_reason', p_run.state_reason),
      case p_run.state when 'running' then 'Only a run that waits or is queued can be rescheduled.'
                       when 'queued' then 'Pause it instead.'
                       else 'Retry or cancel it.' end);
  end if;
end
$$;

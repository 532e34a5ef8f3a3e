-- Guard: a run is retried by one run at a time: two would write the same outputs side by side. Call it with the run's
-- row locked. Raises OPC05 {state, run_id, number} of a retry of it, or of one of those, that has not ended.
create or replace function ops.check_not_retried(p_run ops.runs) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_open record;
begin
  with recursive later as (
    select r.run_id, r.number, r.state from ops.runs r where r.retry_of = p_run.run_id
    union all
    select r.run_id, r.number, r.state from later l join ops.runs r on r.retry_of = l.run_id)
  select l.run_id, l.number, l.state into v_open from later l where not ops.is_terminal(l.state) order by l.number limit 1;
  if found then
    perform ops.fail('OPC05', format('run %s is being retried, by run %s, which is %s', p_run.number, v_open.number,
                                     v_open.state),
      jsonb_build_object('state', p_run.state, 'run_id', v_open.run_id, 'number', v_open.number),
      format('Wait for run %s, or cancel it; a run beside it is a new submit.', v_open.number));
  end if;
end
$$;

-- Guard: a run's work is tried by one run at a time: two would write the same outputs side by side. Call it with
-- ops.lock_tries. Raises OPC05 {state, run_id, number} of a run with the same first try that has not ended.
create or replace function ops.check_not_retried(p_run ops.runs) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_open record;
begin
  with recursive tries as (
    select r.run_id, r.number, r.state from ops.runs r where r.run_id = ops.first_try(p_run.run_id)
    union all
    select r.run_id, r.number, r.state from tries t join ops.runs r on r.retry_of = t.run_id)
  select t.run_id, t.number, t.state into v_open from tries t
   where not ops.is_terminal(t.state) and t.run_id <> p_run.run_id order by t.number limit 1;
  if found then
    perform ops.fail('OPC05', format('run %s is being retried, by run %s, which is %s', p_run.number, v_open.number,
                                     v_open.state),
      jsonb_build_object('state', p_run.state, 'run_id', v_open.run_id, 'number', v_open.number),
      format('Wait for run %s, or cancel it; a run beside it is a new submit.', v_open.number));
  end if;
end
$$;

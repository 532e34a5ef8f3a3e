-- Guard: a task is not run again by itself while its pipeline run waits for other runs: what it would read may not be
-- there yet. Raises OPC05 {state, pipeline_run_id, number}.
create or replace function ops.check_not_held(p_run ops.runs) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_number bigint := (select p.number from ops.runs p
                       where p.run_id = p_run.pipeline_run_id and p.state_reason = 'waiting_on_dependency');
begin
  if v_number is not null then
    perform ops.fail('OPC05', format('run %s is a task of pipeline run %s, which waits for other runs', p_run.number, v_number),
      jsonb_build_object('state', p_run.state, 'pipeline_run_id', p_run.pipeline_run_id, 'number', v_number),
      format('Retry it when run %s has started, or cancel that one and submit it anew.', v_number));
  end if;
end
$$;

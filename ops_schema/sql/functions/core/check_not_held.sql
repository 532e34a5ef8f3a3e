-- Guard: a task is not run again by itself before the runs have ended that its pipeline run waits for, or waited for
-- until it was cancelled: what it would read may not be there yet. Raises OPC05 {state, pipeline_run_id, number}.
create or replace function ops.check_not_held(p_run ops.runs) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_pipeline ops.runs;
  v_open     text;
begin
  select * into v_pipeline from ops.runs p where p.run_id = p_run.pipeline_run_id;
  select string_agg(o.number::text, ', ' order by o.number) into v_open
    from ops.run_dependencies d join ops.runs o on o.run_id = d.depends_on
   where d.run_id = v_pipeline.run_id and not ops.is_terminal(o.state);
  if v_pipeline.state_reason = 'waiting_on_dependency' then
    perform ops.fail('OPC05', format('run %s is a task of pipeline run %s, which waits for other runs', p_run.number,
        v_pipeline.number),
      jsonb_build_object('state', p_run.state, 'pipeline_run_id', p_run.pipeline_run_id, 'number', v_pipeline.number),
      format('Retry it when run %s has started, or cancel that one and submit it anew.', v_pipeline.number));
  elsif v_open is not null then
    perform ops.fail('OPC05', format('run %s is a task of pipeline run %s, which was to wait for runs that have not ended: %s',
        p_run.number, v_pipeline.number, v_open),
      jsonb_build_object('state', p_run.state, 'pipeline_run_id', p_run.pipeline_run_id, 'number', v_pipeline.number),
      format('Retry it when they have ended, or retry run %s, which waits for them.', v_pipeline.number));
  end if;
end
$$;

-- Why no executor takes a run now: [] when one can, else one reason, or one for each executor that could and is paused,
-- drains or is in trouble: no_executor_alive, no_executor_for_workspace, no_executor_with_capability, executor_paused,
-- executor_draining, executor_in_trouble, all_slots_busy.
create or replace function ops.why_no_executor(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_alive ops.executors[] := ops.alive_executors(p_run.kind);
  v_here  ops.executors[];
  v_able  ops.executors[];
begin
  v_here := array(select e from unnest(v_alive) e where e.workspaces is null or p_run.workspace = any (e.workspaces));
  v_able := array(select e from unnest(v_here) e where p_run.requires is null or ops.offer(e) @> p_run.requires);
  return case
    when cardinality(v_alive) = 0 then jsonb_build_array(ops.reason('no_executor_alive',
      format('no %s executor is alive', p_run.kind), jsonb_build_object('kind', p_run.kind)))
    when cardinality(v_here) = 0 then jsonb_build_array(ops.reason('no_executor_for_workspace',
      format('no %s executor works in workspace %s', p_run.kind, p_run.workspace),
      jsonb_build_object('workspace', p_run.workspace)))
    when cardinality(v_able) = 0 then jsonb_build_array(ops.why_not_able(p_run, v_here))
    when not exists (select from unnest(v_able) e where e.state = 'active' and e.trouble is null)
      then ops.why_executors_held(v_able)
    else ops.why_slots_busy(p_run, v_able) end;
end
$$;

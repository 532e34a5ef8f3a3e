-- Why no executor can take a run: [] when one can, else one reason.
create or replace function ops.why_no_executor(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_alive timestamptz := ops.now() - ops.seconds(ops.setting_number('executor_alive_seconds'));
  v_all   int;
  v_here  int;
  v_able  int;
begin
  select count(*), count(*) filter (where here), count(*) filter (where here and able) into v_all, v_here, v_able
    from (select e.workspaces is null or p_run.workspace = any (e.workspaces) as here,
                 p_run.requires is null or ops.offer(e) @> p_run.requires as able
            from ops.executors e
           where e.kind = p_run.kind and e.state = 'active' and e.last_seen_at > v_alive) alive;
  return case
    when v_all = 0 then jsonb_build_array(ops.reason('no_executor_alive',
      format('no %s executor is alive', p_run.kind), jsonb_build_object('kind', p_run.kind)))
    when v_here = 0 then jsonb_build_array(ops.reason('no_executor_for_workspace',
      format('no %s executor works in workspace %s', p_run.kind, p_run.workspace),
      jsonb_build_object('workspace', p_run.workspace)))
    when v_able = 0 then jsonb_build_array(ops.reason('no_executor_with_capability',
      format('no %s executor offers what the run requires', p_run.kind),
      jsonb_build_object('requires', p_run.requires)))
    else '[]' end;
end
$$;

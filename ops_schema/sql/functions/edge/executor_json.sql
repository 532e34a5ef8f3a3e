-- An executor with the runs it holds, as a caller who may see p_workspaces (null: all) is told of it: of these the
-- runs and the names; where its process is (host, pid), only who may steer it, since all its workspaces are open to
-- them.
create or replace function ops.executor_json(p_executor ops.executors, p_workspaces text[]) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'executor_id', (p_executor).executor_id,
    'number', (p_executor).number,
    'name', (p_executor).name,
    'kind', (p_executor).kind,
    'version', (p_executor).version,
    'contract_version', (p_executor).contract_version,
    'capabilities', (p_executor).capabilities,
    'labels', (p_executor).labels,
    'workspaces', case when (p_executor).workspaces is not null then array(select w from unnest((p_executor).workspaces) with ordinality t (w, n)
                         where p_workspaces is null or w = any (p_workspaces) order by n) end,
    'slots', (p_executor).slots,
    'host', case when ops.opens_executor(p_workspaces, p_executor) then (p_executor).host end,
    'pid', case when ops.opens_executor(p_workspaces, p_executor) then (p_executor).pid end,
    'state', ops.executor_state(p_executor),
    'state_at', ops.iso((p_executor).state_at),
    'state_by', (p_executor).state_by,
    'state_reason', (p_executor).state_reason,
    'trouble', (p_executor).trouble,
    'registered_at', ops.iso((p_executor).registered_at),
    'last_seen_at', ops.iso((p_executor).last_seen_at),
    'left_at', ops.iso((p_executor).left_at),
    'running', (select coalesce(jsonb_agg(
                         jsonb_build_object('run_id', r.run_id, 'number', r.number) order by r.number), '[]')
                  from ops.leases l join ops.runs r on r.run_id = l.run_id
                 where l.executor_id = (p_executor).executor_id
                   and (p_workspaces is null or r.workspace = any (p_workspaces))))
$$;

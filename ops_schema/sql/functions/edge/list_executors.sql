-- The executors seen lately (a week) that may work in a workspace of the caller's, most recent first, each as
-- ops.executor_json tells it. Returns {items: [Executor]}. Raises OPU01, OPU02.
create or replace function ops.list_executors(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
begin
  return jsonb_build_object('items', coalesce((
    select jsonb_agg(ops.executor_json(e, v_caller.workspaces) order by e.last_seen_at desc, e.number desc)
      from (select * from ops.executors x where x.last_seen_at > ops.now() - interval '7 days'
               and (v_caller.workspaces is null or x.workspaces is null or x.workspaces && v_caller.workspaces)
             order by x.last_seen_at desc limit 500) e),
    '[]'));
end
$$;

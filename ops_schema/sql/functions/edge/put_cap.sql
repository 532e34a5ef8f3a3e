-- Set a hard ceiling, or take it away: p_body {scope, scope_ref, cap, limit, action?,
-- grace_seconds?}.
--   scope      platform (scope_ref null), workspace (scope_ref its name), template (scope_ref 'workspace/template')
--   limit      a number above 0; null removes the cap
--   action     warn, cancel, kill or cut, see ops.check_cap_action; null leaves it to other scopes, else cancel. One
--              scope may have a limit that warns beside one that ends: they are set and removed for themselves.
-- It holds for runs submitted from now on, and, where it is tighter, for those under way: heartbeats tell them. Returns
-- the cap {scope, workspace, template_name, cap, limit, action, grace_seconds, updated_at}; limit null when it was
-- removed. Raises OPU01, OPU02, OPN02, OPN07, OPV01.
create or replace function ops.put_cap(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_cap ops.caps := ops.cap_from(p_token_id, p_body);
begin
  if v_cap."limit" is null then
    delete from ops.caps c
     where c.scope = v_cap.scope and c.workspace is not distinct from v_cap.workspace
       and c.template_name is not distinct from v_cap.template_name and c.cap = v_cap.cap
       and (coalesce(c.action, '') = 'warn') = (coalesce(v_cap.action, '') = 'warn');
  else
    insert into ops.caps as c (scope, workspace, template_name, cap, "limit", action, grace_seconds, updated_at)
    values (v_cap.scope, v_cap.workspace, v_cap.template_name, v_cap.cap, v_cap."limit", v_cap.action,
            v_cap.grace_seconds, v_cap.updated_at)
    on conflict (scope, coalesce(workspace, ''), coalesce(template_name, ''), cap, (coalesce(action, '') = 'warn'))
    do update set "limit" = excluded."limit", action = excluded.action, grace_seconds = excluded.grace_seconds,
                  updated_at = excluded.updated_at;
    perform ops.tell_orders(null);
  end if;
  return ops.cap_json(v_cap);
end
$$;

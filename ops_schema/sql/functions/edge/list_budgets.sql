-- The budgets in force with their balances, and the latest warnings: {items, warnings}. Raises OPU01, OPU02.
create or replace function ops.list_budgets(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
begin
  return jsonb_build_object(
    'items', (select coalesce(jsonb_agg(ops.budget_json(b) order by
                       array_position('{platform,workspace,template}', b.scope), b.workspace, b.template_name, b.unit,
                       b.period), '[]')
                from ops.budgets b
               where b.removed_at is null and (b.workspace is null or ops.may_enter(v_caller, b.workspace))),
    'warnings', (select coalesce(jsonb_agg(jsonb_build_object(
                          'budget_id', w.budget_id, 'scope', w.scope, 'workspace', w.workspace,
                          'template_name', w.template_name, 'unit', w.unit, 'period', w.period,
                          'threshold', w.threshold, 'used', w.used, 'limit', w."limit", 'at', ops.iso(w.at))
                          order by w.warning_id desc), '[]')
                   from (select x.*, b.scope, b.workspace, b.template_name, b.unit, b.period
                           from ops.budget_warnings x join ops.budgets b on b.budget_id = x.budget_id
                          where b.workspace is null or ops.may_enter(v_caller, b.workspace)
                          order by x.warning_id desc limit 100) w));
end
$$;

-- Of a run's lines the budgets without room for it: [{budget_id, scope, workspace, template_name, unit, period, policy,
-- limit, used, reserved, estimate, period_end}]; when all have some, [].
create or replace function ops.full_budgets(p_lines ops.budget_line[]) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
           'budget_id', g.budget_id, 'scope', g.scope, 'workspace', g.workspace, 'template_name', g.template_name,
           'unit', g.unit, 'period', g.period, 'policy', g.policy, 'limit', g."limit", 'used', coalesce(b.used, 0),
           'reserved', coalesce(b.reserved, 0), 'estimate', l.reserved,
           'period_end', ops.iso(ops.period_end(g.period, g.timezone, l.period_start))) order by g.budget_id), '[]')
    from unnest(p_lines) l join ops.budgets g on g.budget_id = l.budget_id
    left join ops.budget_balances b on (b.budget_id, b.period_start) = (l.budget_id, l.period_start)
   where coalesce(b.used, 0) + coalesce(b.reserved, 0) + l.reserved > g."limit"
$$;

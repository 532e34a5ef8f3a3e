-- A budget as people see it, with the balance of its present period, or of its last when it was removed.
create or replace function ops.budget_json(p_budget ops.budgets) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('budget_id', (p_budget).budget_id, 'scope', (p_budget).scope,
    'workspace', (p_budget).workspace, 'template_name', (p_budget).template_name, 'unit', (p_budget).unit,
    'period', (p_budget).period, 'timezone', (p_budget).timezone, 'limit', (p_budget)."limit",
    'policy', (p_budget).policy, 'thresholds', to_jsonb((p_budget).thresholds),
    'updated_at', ops.iso((p_budget).updated_at), 'updated_by', (p_budget).updated_by,
    'removed_at', ops.iso((p_budget).removed_at),
    'period_start', case when p.start > '-infinity' then ops.iso(p.start) end,
    'period_end', ops.iso(ops.period_end((p_budget).period, (p_budget).timezone, p.start)),
    'reserved', coalesce(b.reserved, 0), 'used', coalesce(b.used, 0),
    'left', greatest(0, (p_budget)."limit" - coalesce(b.used, 0) - coalesce(b.reserved, 0)),
    'warned', coalesce(b.warned, 0))
    from (select ops.period_start((p_budget).period, (p_budget).timezone,
                                  coalesce((p_budget).removed_at, ops.now())) as start) p
    left join ops.budget_balances b on (b.budget_id, b.period_start) = ((p_budget).budget_id, p.start)
$$;

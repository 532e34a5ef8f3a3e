-- Set a budget, or take it away: p_body {scope, scope_ref, unit, period, limit, policy?, timezone?, thresholds?}.
--   scope       platform (scope_ref null), workspace (scope_ref its name), template (scope_ref 'workspace/template')
--   limit       a number from 0; null removes the budget: what was reserved is settled all the same
--   policy      queue (default): a run that finds no room waits; refuse: it is refused at its submit
--   timezone    in which days and months begin, UTC when it is not given
--   thresholds  percent of the limit at which is warned, [50, 80, 100] when not given
-- One for each scope, unit and period. It holds for claims from now on. Returns the budget as ops.list_budgets does.
-- Raises OPU01, OPU02, OPN02, OPN07, OPV01.
create or replace function ops.put_budget(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_caller ops.tokens  := ops.require(p_token_id, array['operator']);
  v_budget ops.budgets := ops.budget_from(p_token_id, p_body);
  v_now    timestamptz := ops.now();
begin
  if v_budget."limit" is null then
    update ops.budgets b set removed_at = v_now, updated_at = v_now, updated_by = v_caller.name
     where b.removed_at is null and ops.same_budget(b, v_budget)
    returning * into v_budget;
  else
    insert into ops.budgets as b (scope, workspace, template_name, unit, period, timezone, "limit", policy, thresholds,
                                  updated_at, updated_by)
    values (v_budget.scope, v_budget.workspace, v_budget.template_name, v_budget.unit, v_budget.period,
            v_budget.timezone, v_budget."limit", v_budget.policy, v_budget.thresholds, v_now, v_caller.name)
    on conflict (scope, coalesce(workspace, ''), coalesce(template_name, ''), unit, period) where removed_at is null
    do update set "limit" = excluded."limit", policy = excluded.policy, timezone = excluded.timezone,
                  thresholds = excluded.thresholds, updated_at = excluded.updated_at, updated_by = excluded.updated_by
    returning * into v_budget;
  end if;
  if v_budget.budget_id is null then
    perform ops.fail('OPN08', 'there is no such budget', p_body, 'See the list of budgets.');
  end if;
  return ops.budget_json(v_budget);
end
$$;

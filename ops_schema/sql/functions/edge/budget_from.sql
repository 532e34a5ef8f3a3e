-- The budget that a body describes, not yet stored, when the caller may set it: see ops.scope_from. Raises OPV01 too.
create or replace function ops.budget_from(p_token_id uuid, p_body jsonb) returns ops.budgets
language plpgsql stable set search_path = ''
as $$
declare
  v_budget ops.budgets;
  v_scope  ops.caps;
begin
  v_budget.scope := coalesce(p_body ->> 'scope', '');
  v_budget.unit := coalesce(p_body ->> 'unit', '');
  v_budget.policy := coalesce(p_body ->> 'policy', 'queue');
  v_budget.timezone := coalesce(p_body ->> 'timezone', 'UTC');
  v_budget.period := coalesce(p_body ->> 'period', case v_budget.unit when 'concurrency' then 'total' end, '');
  if not ops.budget_units() ? v_budget.unit then
    perform ops.invalid('/unit', 'must be one of ' || array_to_string(ops.text_array(ops.budget_units(), 'units'), ', '));
  elsif v_budget.period not in ('hour', 'day', 'month', 'total') then
    perform ops.invalid('/period', 'must be hour, day, month or total');
  elsif v_budget.unit = 'concurrency' and v_budget.period <> 'total' then
    perform ops.invalid('/period', 'must be total for concurrency: what runs at a moment belongs to no period');
  elsif v_budget.policy not in ('queue', 'refuse') then
    perform ops.invalid('/policy', 'must be queue or refuse');
  elsif coalesce(jsonb_typeof(p_body -> 'limit'), '') not in ('number', 'null')
        or (p_body ->> 'limit')::numeric not between 0 and 1e18 then
    perform ops.invalid('/limit', 'must be a number from 0 to 1e18, or null to remove the budget');
  end if;
  v_budget."limit" := (p_body ->> 'limit')::numeric;
  v_budget.thresholds := ops.thresholds_from(p_body -> 'thresholds');
  begin
    perform ops.now() at time zone v_budget.timezone;
  exception when invalid_parameter_value then
    perform ops.invalid('/timezone', format('there is no timezone %s', left(v_budget.timezone, 100)),
                        'Use a name such as Europe/Berlin.');
  end;

  v_scope := ops.scope_from(p_token_id, p_body);
  v_budget.workspace := v_scope.workspace;
  v_budget.template_name := v_scope.template_name;
  return v_budget;
end
$$;

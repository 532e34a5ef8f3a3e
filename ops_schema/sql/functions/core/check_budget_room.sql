-- Guard: at a submit, the budgets that refuse have room for the run as it is expected to be. Others let it wait.
-- Raises OPX02 with {budget_id, scope, unit, period, limit, used, reserved, estimate}.
create or replace function ops.check_budget_room(p_workspace text, p_template_name text, p_spec jsonb, p_caps jsonb)
returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_full jsonb;
begin
  for v_full in
    select f.value from jsonb_array_elements(ops.full_budgets(
      ops.budget_lines(p_workspace, p_template_name, p_spec -> 'estimate', p_caps))) f
  loop
    if v_full ->> 'policy' = 'refuse' then
      perform ops.fail('OPX02', ops.budget_text(v_full), v_full,
        case when v_full ->> 'period_end' is null then 'Have the budget raised.'
             else format('Submit it after %s, or have the budget raised.', v_full ->> 'period_end') end);
    end if;
  end loop;
end
$$;

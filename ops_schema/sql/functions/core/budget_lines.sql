-- What an attempt of a run would reserve now, a line for each budget, by budget; null when none applies.
create or replace function ops.budget_lines(p_workspace text, p_template_name text, p_declared jsonb, p_caps jsonb)
returns ops.budget_line[]
language sql stable set search_path = ''
as $$
  select nullif(array(
    select row(b.budget_id, ops.period_start(b.period, b.timezone, ops.now()),
               ops.estimated(b.unit, u.samples, p_declared, p_caps), null)::ops.budget_line
      from ops.budgets_of(p_workspace, p_template_name) b
      left join ops.usage_samples u
        on u.workspace = p_workspace and u.template_name = p_template_name and u.unit = b.unit
     order by b.budget_id), '{}')
$$;

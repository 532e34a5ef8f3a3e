-- Whether two budgets are of one scope, unit and period.
create or replace function ops.same_budget(p_one ops.budgets, p_other ops.budgets) returns boolean
language sql immutable set search_path = ''
as $$
  select ((p_one).scope, (p_one).unit, (p_one).period) = ((p_other).scope, (p_other).unit, (p_other).period)
         and (p_one).workspace is not distinct from (p_other).workspace
         and (p_one).template_name is not distinct from (p_other).template_name
$$;

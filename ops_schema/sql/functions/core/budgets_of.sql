-- The budgets that the runs of a template count against.
create or replace function ops.budgets_of(p_workspace text, p_template_name text) returns setof ops.budgets
language sql stable set search_path = ''
as $$
  select b from ops.budgets b
   where b.removed_at is null
     and (b.scope = 'platform' or (b.workspace = p_workspace
          and (b.scope = 'workspace' or b.template_name = p_template_name)))
$$;

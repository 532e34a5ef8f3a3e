-- Lock the balances of these lines, made where they are missing, in order of budget and period. Nothing else is locked
-- after them.
create or replace function ops.lock_balances(p_lines ops.budget_line[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  insert into ops.budget_balances (budget_id, period_start)
  select distinct l.budget_id, l.period_start from unnest(p_lines) l
   where not exists (select from ops.budget_balances b
                      where (b.budget_id, b.period_start) = (l.budget_id, l.period_start))
   order by 1, 2 on conflict do nothing;
  perform from ops.budget_balances b
    where (b.budget_id, b.period_start) in (select l.budget_id, l.period_start from unnest(p_lines) l)
    order by b.budget_id, b.period_start for update;
end
$$;

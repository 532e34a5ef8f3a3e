-- Mutate: settled lines change their balances, each once; what crosses a threshold is warned of, and what went beyond
-- its limit is a row in the ledger of caps. The balances are locked.
create or replace function ops.count_used(p_lines ops.budget_line[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  with change as (
    select l.budget_id, l.period_start, sum(l.reserved) as reserved, sum(l.used) as used
      from unnest(p_lines) l group by 1, 2
  ), before as materialized (
    select b.*, b.used + c.used as used_now, b.reserved - c.reserved as reserved_now, g."limit",
           (select max(t) from unnest(g.thresholds) t
             where g.unit <> 'concurrency' and (b.used + c.used) * 100 >= t * g."limit") as reached, g.thresholds
      from change c join ops.budgets g on g.budget_id = c.budget_id
      join ops.budget_balances b on (b.budget_id, b.period_start) = (c.budget_id, c.period_start)
  ), changed as (
    update ops.budget_balances b set used = f.used_now, reserved = f.reserved_now,
        warned = greatest(b.warned, coalesce(f.reached, 0))
      from before f where (b.budget_id, b.period_start) = (f.budget_id, f.period_start)
  )
  insert into ops.budget_warnings (budget_id, period_start, threshold, used, "limit", at)
  select f.budget_id, f.period_start, t, f.used_now, f."limit", ops.now()
    from before f cross join lateral unnest(f.thresholds) t
   where t > f.warned and t <= f.reached
   order by f.budget_id, t;
end
$$;

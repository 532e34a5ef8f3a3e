-- Recompute every balance from the ledger: {balances: how many, wrong: [{budget_id, period_start, reserved, used,
-- ledger_reserved, ledger_used}]}. What is reserved must also be what leases hold; a lease without its entry, or an
-- open entry without its lease, is wrong: [{run_id, epoch}]. One snapshot: no claim or report is waited for.
-- Raises OPU01, OPU02.
create or replace function ops.check_budgets(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform ops.require_everywhere(p_token_id, '{operator,viewer}');
  return (
    with entered as (
      select l.budget_id, l.period_start,
             sum(case e.entry when 'reserved' then l.reserved else - l.reserved end) as reserved,
             sum(coalesce(l.used, 0)) as used
        from ops.budget_ledger e cross join lateral unnest(e.lines) l group by 1, 2
    ), compared as (
      select budget_id, period_start, coalesce(b.reserved, 0) as reserved, coalesce(b.used, 0) as used,
             coalesce(e.reserved, 0) as ledger_reserved, coalesce(e.used, 0) as ledger_used
        from ops.budget_balances b full join entered e using (budget_id, period_start)
    ), open as (
      select e.run_id, e.epoch from ops.budget_ledger e where e.entry = 'reserved'
      except select e.run_id, e.epoch from ops.budget_ledger e where e.entry <> 'reserved'
    ), held as (
      select l.run_id, l.epoch from ops.leases l where l.reserved is not null
    )
    select jsonb_build_object(
      'balances', (select count(*) from compared),
      'wrong', (select coalesce(jsonb_agg(to_jsonb(c) order by c.budget_id, c.period_start), '[]') from compared c
                 where (c.reserved, c.used) <> (c.ledger_reserved, c.ledger_used)),
      'leases', (select coalesce(jsonb_agg(to_jsonb(x)), '[]') from (
                   (select * from open except select * from held) union all
                   (select * from held except select * from open)) x)));
end
$$;

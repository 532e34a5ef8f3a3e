-- Mutate: the leases that ended in this transaction give back what they reserved, and what they used is counted:
-- entries in the ledger, one change to each balance, samples for the next estimates, warnings. The balances of p_more
-- are locked along, for a caller that goes on with them. Called for what is left when the transaction commits.
create or replace function ops.settle_budgets(p_more ops.budget_line[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_leases ops.ended_lease[];
  v_lines  ops.budget_line[];
begin
  with due as (delete from ops.budget_dues d where d.xid = pg_current_xact_id() returning d.leases)
  select array_agg(l) into v_leases from due cross join lateral unnest(due.leases) l;
  if v_leases is null then
    if cardinality(p_more) > 0 then
      perform ops.lock_balances(p_more);
    end if;
    return;
  end if;

  with ended as materialized (
    select l.run_id, l.epoch, l.reserved, coalesce(l.usage, '{}') || a.usage as usage, a, r.kind
      from unnest(v_leases) l
     cross join lateral (select u.kind from ops.runs u where u.run_id = l.run_id offset 0) r
      join ops.attempts a on a.run_id = l.run_id and a.epoch = l.epoch
  ), entered as (
    insert into ops.budget_ledger (run_id, epoch, entry, lines, at)
    select e.run_id, e.epoch, case when (e.a).reported_at is null then 'released' else 'settled' end,
           array(select row(x.budget_id, x.period_start, x.reserved,
                            ops.used_of(g.unit, e.kind, e.usage, e.a))::ops.budget_line
                   from unnest(e.reserved) x join ops.budgets g on g.budget_id = x.budget_id order by x.budget_id),
           ops.now()
      from ended e
    returning lines
  )
  select array_agg(l) into v_lines from entered cross join lateral unnest(entered.lines) l;
  perform ops.lock_balances(p_more || v_lines);
  perform ops.count_used(v_lines);
  perform ops.sample_usage(v_leases);
end
$$;

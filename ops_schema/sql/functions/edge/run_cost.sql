-- What a run cost so far, its attempts and those of its tasks together, each by the price list in force when it ended:
-- {amount, currency}; null while there are no prices.
create or replace function ops.run_cost(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('amount', coalesce(sum(ops.cost_of(
             r.kind, coalesce(l.usage, '{}') || a.usage, coalesce(a.finished_at, ops.now()))), 0),
           'currency', (select p.currency from ops.price_lists p where p.valid_from <= ops.now()
                         order by p.valid_from desc, p.version desc limit 1))
    from ops.runs r join ops.attempts a on a.run_id = r.run_id
    left join ops.leases l on l.run_id = a.run_id and l.epoch = a.epoch
   where r.run_id in (select ops.run_family(p_run))
  having exists (select from ops.price_lists)
$$;

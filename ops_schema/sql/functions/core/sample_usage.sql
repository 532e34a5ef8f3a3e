-- Mutate: what succeeded attempts used stands first among their templates' samples, twenty of each unit.
create or replace function ops.sample_usage(p_leases ops.ended_lease[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  insert into ops.usage_samples as s (workspace, template_name, unit, samples)
  select r.workspace, r.template_name, x.unit, (array_agg(x.used order by r.run_id desc))[1:20]
    from unnest(p_leases) l
    join ops.attempts a on a.run_id = l.run_id and a.epoch = l.epoch and a.outcome = 'succeeded'
   cross join lateral (select u.run_id, u.workspace, u.template_name from ops.runs u where u.run_id = l.run_id offset 0) r
    join ops.budget_ledger e on e.run_id = l.run_id and e.epoch = l.epoch and e.entry = 'settled'
   cross join lateral (
     select distinct on (b.unit) b.unit, y.used from unnest(e.lines) y join ops.budgets b on b.budget_id = y.budget_id
      where b.unit not in ('runs', 'concurrency') order by b.unit) x
   group by r.workspace, r.template_name, x.unit
   order by r.workspace, r.template_name, x.unit
  on conflict (workspace, template_name, unit) do update set samples = (excluded.samples || s.samples)[1:20];
end
$$;

-- Mutate and emit: what the picked runs are expected to use is reserved of their budgets. A run for which one of them
-- has no room is not started: it waits for budget_exhausted. Returns the starts that may go on. Settles what has ended
-- in this transaction before, since the balances are locked once, last of all: so are the pipelines that are going to
-- start, which ops.start_pipelines would lock after them.
create or replace function ops.reserve_budgets(p_starts ops.member_start[]) returns ops.member_start[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_starts ops.member_start[];
  v_fit    ops.member_start[];
  v_lines  ops.budget_line[];
begin
  if cardinality(p_starts) = 0 or not exists (select from ops.budgets b where b.removed_at is null) then
    return p_starts;
  end if;
  v_starts := ops.with_lines(p_starts);
  v_lines := array(select distinct on (l.budget_id, l.period_start) l
                     from unnest(v_starts) s cross join lateral unnest(s.reserved) l);
  if cardinality(v_lines) = 0 then
    return p_starts;
  end if;

  perform from ops.runs r
    where r.run_id = any (array(select s.pipeline_run_id from unnest(v_starts) s)) and r.state = 'waiting'
    order by r.run_id for update;
  perform ops.settle_budgets(v_lines);

  v_fit := ops.within_budgets(v_starts);
  update ops.budget_balances b set reserved = b.reserved + x.total
    from (select l.budget_id, l.period_start, sum(l.reserved) as total
            from unnest(v_fit) s cross join lateral unnest(s.reserved) l group by 1, 2) x
   where (b.budget_id, b.period_start) = (x.budget_id, x.period_start);
  insert into ops.budget_ledger (run_id, epoch, entry, lines, at)
  select s.run_id, r.epoch + 1, 'reserved', s.reserved, ops.now()
    from unnest(v_fit) s cross join lateral (select u.epoch from ops.runs u where u.run_id = s.run_id offset 0) r
   where s.reserved is not null;
  perform ops.hold_for_budgets(array(
    select s from unnest(v_starts) s where s.run_id <> all (array(select f.run_id from unnest(v_fit) f))));
  return v_fit;
end
$$;

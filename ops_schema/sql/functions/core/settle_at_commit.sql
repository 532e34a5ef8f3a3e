-- Trigger, deferred: the first of a transaction's settles for all of them.
create or replace function ops.settle_at_commit() returns trigger
language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off
  set jit = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  perform ops.settle_budgets('{}');
  return null;
end
$$;

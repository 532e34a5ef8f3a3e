-- Lock and return the runs that an executor may start now, best first; nothing is changed.
--
-- Concurrency keys: the rows of the keys that stand at the head of the queue are locked, in key order, by one
-- statement; a later one counts the leases that hold them and picks at most the free slots per key (in one statement
-- the snapshot would precede the lock). Runs of a full key are looked past, so that keys behind them are met in the
-- next round. Only the first round waits for a key: later ones take what is free, since waiting twice would break
-- the key order; a key passed over that way is announced again. p_but: runs that were picked before, which hold their
-- keys.
create or replace function ops.pick_runs(
  p_executor ops.executors, p_queues text[], p_limit int, p_but uuid[] default '{}')
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_picked  uuid[] := '{}';
  v_found   uuid[];
  v_known   text[] := '{}';   -- keys met so far
  v_locked  text[] := '{}';   -- of these, the ones locked here
  v_open    text[] := '{}';   -- of these, the ones with free slots
  v_new     text[];
begin
  if not exists (select from ops.concurrency_keys) then
    return ops.pick_ready(p_executor, p_queues, '{}', p_limit, p_but);
  end if;
  for v_round in 1 .. 50 loop
    v_new := ops.keys_ahead(p_executor, p_queues, v_known, v_open);
    if cardinality(v_new) > 0 then
      v_locked := v_locked || ops.lock_keys(v_new, false);
      v_known := v_known || v_new;
    else
      v_found := ops.within_slots(p_but || v_picked,
        ops.pick_ready(p_executor, p_queues, v_open, p_limit - cardinality(v_picked), p_but || v_picked));
      v_picked := v_picked || v_found;
      exit when cardinality(v_found) = 0 or cardinality(v_picked) >= p_limit;
    end if;
    v_open := ops.open_keys(v_locked, p_but || v_picked);
  end loop;
  if cardinality(v_picked) = 0 and cardinality(v_locked) < cardinality(v_known) then
    perform ops.notify_ready(array[p_executor.kind]);
  end if;
  return v_picked;
end
$$;

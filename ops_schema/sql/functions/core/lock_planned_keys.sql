-- Lock, in key order, the concurrency keys [{workspace, key, limit}] of several new runs before the first is made, so
-- that two submits that bring the same keys in another order take turns. Keys that are not there are made; a limit that
-- changes is left to ops.declare_key, which then waits for nobody. p_keep: as there.
create or replace function ops.lock_planned_keys(p_keys jsonb, p_keep boolean) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_key record;
begin
  for v_key in
    select k ->> 'workspace' as workspace, k ->> 'key' as key, array_agg((k ->> 'limit')::int) as limits
      from jsonb_array_elements(p_keys) k where k ->> 'key' is not null group by 1, 2 order by 1, 2
  loop
    perform from ops.concurrency_keys k
      where k.workspace = v_key.workspace and k.key = v_key.key and (p_keep or k."limit" = all (v_key.limits))
      for key share;
    continue when found;
    insert into ops.concurrency_keys as k (workspace, key, "limit", updated_at)
    values (v_key.workspace, v_key.key, v_key.limits[1], ops.now())
    on conflict (workspace, key) do update set "limit" = k."limit" where false;  -- locked all the same
  end loop;
end
$$;

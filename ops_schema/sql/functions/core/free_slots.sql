-- How many more runs may hold each of these keys: limit, less its leases (those that are publishing included), less the
-- runs picked in this claim. Counted, never kept. The caller locked the keys in an earlier statement.
create or replace function ops.free_slots(p_keys text[], p_picked uuid[]) returns table (key text, free bigint)
language plpgsql stable set search_path = ''
as $$
begin
  return query select ops.key_of(k.workspace, k.key),
         k."limit"
         - (select count(*) from ops.leases l where l.workspace = k.workspace and l.concurrency_key = k.key)
         - (select count(*) from ops.runs r where r.run_id = any (p_picked) and r.workspace = k.workspace
             and r.concurrency_key = k.key)
    from ops.concurrency_keys k
   where ops.key_of(k.workspace, k.key) = any (p_keys);
end
$$;

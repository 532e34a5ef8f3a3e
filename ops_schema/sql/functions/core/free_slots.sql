-- How many more runs may hold each of these keys: limit, less its leases (those that are publishing included), less the
-- runs picked in this claim. Counted, never kept. The caller locked the keys in an earlier statement.
create or replace function ops.free_slots(p_keys text[], p_picked uuid[]) returns table (key text, free bigint)
language plpgsql stable set search_path = ''
as $$
begin
  if cardinality(p_keys) = 0 then
    return;
  end if;
  return query select ops.key_of(k.workspace, k.key),
         k."limit"
         - (select count(*) from ops.leases l where l.workspace = k.workspace and l.concurrency_key = k.key)
         - (select count(*) from ops.runs r where r.run_id = any (p_picked) and r.workspace = k.workspace
             and r.concurrency_key = k.key)
    from ops.split_keys(p_keys) s
   cross join lateral (select c.workspace, c.key, c."limit" from ops.concurrency_keys c
                        where c.workspace = s.workspace and c.key = s.key offset 0) k;
end
$$;

-- Sweep: forget concurrency keys that no unfinished run has. Looks at p_limit keys at a time, once in ten seconds, and
-- goes on from there at the next call.
--
-- A submit holds its key with a key share lock from the moment it declares it (ops.declare_key) until its run is there;
-- such a key is passed over, and the runs are looked for in a statement after the one that locked the key. A submit
-- that comes later waits, and declares the key anew. The caller's last act: it waits for nobody while it holds keys.
create or replace function ops.drop_idle_keys(p_limit int) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_duty  record;
  v_after text;
  v_seen  text[];
  v_idle  text[];
begin
  select * into v_duty from ops.take_duty('drop_idle_keys', 10);
  if not v_duty.due then
    return;
  end if;
  v_after := coalesce(v_duty.place, '');
  v_seen := array(
    select ops.key_of(k.workspace, k.key) from ops.concurrency_keys k
     where (k.workspace, k.key) > (split_part(v_after, chr(31), 1), substr(v_after, strpos(v_after, chr(31)) + 1))
     order by k.workspace, k.key limit p_limit);
  update ops.duties set place = case when cardinality(v_seen) = p_limit then v_seen[p_limit] end
   where name = 'drop_idle_keys';

  v_idle := array(
    select ops.key_of(k.workspace, k.key) from ops.split_keys(v_seen) s
     cross join lateral (select c.workspace, c.key from ops.concurrency_keys c
                          where c.workspace = s.workspace and c.key = s.key
                            and not ops.key_is_used(c.workspace, c.key) offset 0 for update skip locked) k);
  delete from ops.concurrency_keys k using ops.split_keys(v_idle) s
   where k.workspace = s.workspace and k.key = s.key and not ops.key_is_used(k.workspace, k.key);
end
$$;

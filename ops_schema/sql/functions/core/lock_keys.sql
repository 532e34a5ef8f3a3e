-- Lock these concurrency keys in key order; returns those locked. p_wait false: what another claim holds is left out.
-- One index probe for each (`offset 0` keeps it so), whatever number of keys there is.
create or replace function ops.lock_keys(p_keys text[], p_wait boolean) returns text[]
language plpgsql volatile set search_path = ''
as $$
begin
  if cardinality(p_keys) = 0 then
    return '{}';
  elsif p_wait then
    return array(
      select ops.key_of(k.workspace, k.key) from ops.split_keys(p_keys) s
       cross join lateral (select c.workspace, c.key from ops.concurrency_keys c
                            where c.workspace = s.workspace and c.key = s.key offset 0 for no key update) k);
  end if;
  return array(
    select ops.key_of(k.workspace, k.key) from ops.split_keys(p_keys) s
     cross join lateral (select c.workspace, c.key from ops.concurrency_keys c
                          where c.workspace = s.workspace and c.key = s.key offset 0 for no key update skip locked) k);
end
$$;

-- Lock these concurrency keys in key order; returns those locked. p_wait false: what another claim holds is left out.
create or replace function ops.lock_keys(p_keys text[], p_wait boolean) returns text[]
language plpgsql volatile set search_path = ''
as $$
begin
  if cardinality(p_keys) = 0 then
    return '{}';
  elsif p_wait then
    return array(select ops.key_of(k.workspace, k.key) from ops.concurrency_keys k
                  where ops.key_of(k.workspace, k.key) = any (p_keys) order by k.workspace, k.key for update);
  end if;
  return array(select ops.key_of(k.workspace, k.key) from ops.concurrency_keys k
                where ops.key_of(k.workspace, k.key) = any (p_keys) order by k.workspace, k.key for update skip locked);
end
$$;

-- Mutate and lock: a concurrency key exists and has the limit that the newest submit gives it, and is not dropped until
-- the transaction ends. p_keep: a key that is there keeps its limit.
create or replace function ops.declare_key(
  p_workspace text, p_key text, p_limit int, p_keep boolean default false)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  perform from ops.concurrency_keys k
    where k.workspace = p_workspace and k.key = p_key and (p_keep or k."limit" = p_limit) for key share;
  if found then
    return;
  end if;
  insert into ops.concurrency_keys as k (workspace, key, "limit", updated_at)
  values (p_workspace, p_key, p_limit, ops.now())
  on conflict (workspace, key) do update set "limit" = excluded."limit", updated_at = excluded.updated_at
   where k."limit" <> excluded."limit" and not p_keep;
end
$$;

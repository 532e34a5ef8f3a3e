-- Mutate: a concurrency key exists and has the limit that the newest submit gives it.
create or replace function ops.declare_key(p_workspace text, p_key text, p_limit int) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if exists (select from ops.concurrency_keys k
              where k.workspace = p_workspace and k.key = p_key and k."limit" = p_limit) then
    return;
  end if;
  insert into ops.concurrency_keys as k (workspace, key, "limit", updated_at)
  values (p_workspace, p_key, p_limit, ops.now())
  on conflict (workspace, key) do update set "limit" = excluded."limit", updated_at = excluded.updated_at
   where k."limit" <> excluded."limit";
end
$$;

-- Lock a workspace's idempotency keys for the transaction: alone, or beside others that are not alone.
create or replace function ops.lock_request_keys(p_workspace text, p_alone boolean) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if p_alone then
    perform pg_advisory_xact_lock(hashtextextended('ops.keys:' || p_workspace, 0));
  else
    perform pg_advisory_xact_lock_shared(hashtextextended('ops.keys:' || p_workspace, 0));
  end if;
end
$$;

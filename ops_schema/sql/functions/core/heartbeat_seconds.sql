-- How often an executor should be heard: a third of the shortest lease it holds, at least 1 s, at most the setting. One
-- that holds none is to hear within 5 s that it shall drain, and no more: greatest() passes over a null.
create or replace function ops.heartbeat_seconds(p_executor_id uuid) returns numeric
language plpgsql stable set search_path = ''
as $$
begin
  return least(
    coalesce(ops.setting_number('heartbeat_seconds'), 20),
    coalesce((select greatest(1, round(min(l.lease_seconds) / 3.0, 1)) from ops.leases l
               where l.executor_id = p_executor_id having count(*) > 0), 5));
end
$$;

-- How often an executor should be heard: one that holds runs within order_milliseconds, since heartbeats bring the
-- orders to stop, and within a third of the shortest lease, though not more than once a second for that; one that holds
-- none within 5 s, to hear that it shall drain; either within the setting. greatest() passes over a null.
create or replace function ops.heartbeat_seconds(p_executor_id uuid) returns numeric
language plpgsql stable set search_path = ''
as $$
begin
  return least(
    coalesce(ops.setting_number('heartbeat_seconds'), 20),
    coalesce((select least(greatest(1, round(min(l.lease_seconds) / 3.0, 1)),
                           round(ops.setting_number('order_milliseconds') / 1000, 3))
                from ops.leases l where l.executor_id = p_executor_id having count(*) > 0), 5));
end
$$;

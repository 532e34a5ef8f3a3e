-- How often an executor should be heard: one that holds runs within a third of the shortest lease, though not more than
-- once a second for that, and within 5 s, for their progress; within order_milliseconds when it cannot wait for orders
-- (contract 1.0), as it hears of them by heartbeats alone, or when what its runs cost is capped, as that is looked at
-- then; one that holds none within 5 s; either within the setting. greatest() passes over a null.
create or replace function ops.heartbeat_seconds(p_executor_id uuid) returns numeric
language plpgsql stable set search_path = ''
as $$
begin
  return least(
    coalesce(ops.setting_number('heartbeat_seconds'), 20),
    coalesce((select least(5, greatest(1, round(min(l.lease_seconds) / 3.0, 1)),
                           case when e.contract_version = '1.0' or bool_or(r.caps ? 'cost' or r.cap_rules ? 'cost')
                                then round(ops.setting_number('order_milliseconds') / 1000, 3) end)
                from ops.leases l join ops.runs r on r.run_id = l.run_id
                join ops.executors e on e.executor_id = l.executor_id
               where l.executor_id = p_executor_id group by e.contract_version), 5));
end
$$;

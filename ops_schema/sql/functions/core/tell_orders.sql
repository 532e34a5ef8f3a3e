-- Emit: executors have something to hear that a heartbeat tells them. p_executor_ids: which; null: all may have, nobody
-- counted. The payload is their ids, divided by commas, in several notifications where they are many.
create or replace function ops.tell_orders(p_executor_ids uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if p_executor_ids is null then
    perform pg_notify('ops_orders', '');
    return;
  end if;
  perform pg_notify('ops_orders', string_agg(x.executor_id::text, ',' order by x.executor_id))
    from (select d.executor_id, (row_number() over (order by d.executor_id) - 1) / 100 as part
            from (select distinct i.executor_id from unnest(p_executor_ids) i (executor_id)
                   where i.executor_id is not null) d) x
   group by x.part;
end
$$;

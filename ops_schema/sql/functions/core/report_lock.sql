-- The advisory lock of a report's idempotency key, which is its executor's own; null for a report that is refused.
create or replace function ops.report_lock(p_run_id uuid, p_body jsonb) returns bigint
language sql stable set search_path = ''
as $$
  select hashtextextended(concat_ws('/', 'ops.report:', a.executor_id, p_body ->> 'idempotency_key'), 0)
    from ops.attempts a
   where a.run_id = p_run_id
     and a.epoch = case when p_body ->> 'epoch' ~ '^[0-9]{1,18}$' then (p_body ->> 'epoch')::bigint end
$$;

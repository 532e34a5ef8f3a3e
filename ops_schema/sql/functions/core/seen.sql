-- Mutate: these executors have just been heard of. Not more often than every five seconds: the row is hot.
create or replace function ops.seen(p_executor_ids uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if not exists (select from ops.executors e where e.executor_id = any (p_executor_ids)
                    and e.last_seen_at < ops.now() - interval '5 seconds') then
    return;
  end if;
  update ops.executors set last_seen_at = ops.now()
   where executor_id in (select e.executor_id from ops.executors e
                          where e.executor_id = any (p_executor_ids)
                            and e.last_seen_at < ops.now() - interval '5 seconds'
                          order by e.executor_id for update skip locked);
end
$$;

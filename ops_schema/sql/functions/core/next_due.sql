-- Seconds until the first waiting run's time comes, 0 when it has come; null when none waits for its time.
create or replace function ops.next_due() returns double precision
language sql stable set search_path = ''
as $$
  select case when min(r.not_before) is not null then greatest(extract(epoch from min(r.not_before) - ops.now()), 0) end
    from ops.runs r
   where r.state = 'waiting' and r.not_before is not null
     and r.state_reason in ('not_before', 'retry_backoff') and not r.paused
$$;

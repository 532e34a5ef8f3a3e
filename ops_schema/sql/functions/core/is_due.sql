-- Whether a run waits for nothing but a time, which has come.
create or replace function ops.is_due(p_run ops.runs) returns boolean
language sql stable set search_path = ''
as $$
  select (p_run).state = 'waiting' and (p_run).state_reason in ('not_before', 'retry_backoff') and not (p_run).paused
         and (p_run).not_before <= ops.now()
$$;

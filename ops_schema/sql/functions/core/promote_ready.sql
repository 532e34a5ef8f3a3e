-- Mutate and emit: runs whose time has come enter the ready index, at most p_limit, in the order of their times.
-- Returns how many. Rows that another transaction holds are left to the next call.
create or replace function ops.promote_ready(p_limit int, p_actor text) returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := ops.now();
  v_due uuid[];
begin
  v_due := array(select r.run_id from ops.runs r
                  where r.state = 'waiting' and r.not_before is not null and r.not_before <= v_now
                    and r.state_reason in ('not_before', 'retry_backoff') and not r.paused
                  order by r.not_before limit p_limit for update skip locked);
  perform ops.enqueue(v_due, p_actor);
  return cardinality(v_due);
end
$$;

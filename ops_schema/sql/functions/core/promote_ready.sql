-- Mutate and emit: runs whose time has come enter the ready index, at most p_limit, in the order of their times, or
-- end with what was done already for the same inputs (ops.reuse_each).
-- Returns how many. Rows that another transaction holds are left to the next call; one that raises is passed
-- over.
create or replace function ops.promote_ready(p_limit int, p_actor text) returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := ops.now();
  v_due uuid[];
  v_reused uuid[];
begin
  v_due := array(select r.run_id from ops.runs r
                  where r.state = 'waiting' and r.not_before is not null and r.not_before <= v_now
                    and r.state_reason in ('not_before', 'retry_backoff') and not r.paused
                  order by r.not_before limit p_limit for update skip locked);
  if cardinality(v_due) = 0 then
    return 0;
  end if;
  begin
    v_reused := ops.reuse_each(v_due, p_actor);
    perform ops.enqueue(array(select x.run_id from unnest(v_due) with ordinality x (run_id, n)
                               where x.run_id <> all (v_reused) order by x.n), p_actor);
    perform ops.settle(v_reused, p_actor);
    return cardinality(v_due);
  exception when others then
    perform ops.pass_over(sqlstate, sqlerrm, 'a promotion; each run is tried alone');
  end;
  return jsonb_array_length(ops.steps_guarded(array_fill('enqueue_one'::text, array[cardinality(v_due)]), v_due, p_actor,
                                              false));
end
$$;

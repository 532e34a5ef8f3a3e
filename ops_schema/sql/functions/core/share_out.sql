-- Lock runs for claims of one filter, and say which claim gets which: the first its max_runs, then the next. p_but:
-- runs picked for other filters; to its own transaction a locked run is still there to be had.
create or replace function ops.share_out(p_claims ops.member_claim[], p_but uuid[]) returns ops.member_start[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_executor ops.executors;
  v_picked   uuid[];
begin
  select * into v_executor from ops.executors e where e.executor_id = p_claims[1].executor_id;
  v_picked := ops.pick_runs(v_executor, p_claims[1].queues, (select sum(c.max_runs)::int from unnest(p_claims) c),
                            p_but);
  return array(
    select row(s.ordinal, s.executor_id, v_picked[s.place], null, null, null)::ops.member_start
      from (select c.ordinal, c.executor_id, row_number() over (order by c.ordinal, g) as place
              from unnest(p_claims) c cross join lateral generate_series(1, c.max_runs) g) s
     where s.place <= cardinality(v_picked) order by s.place);
end
$$;

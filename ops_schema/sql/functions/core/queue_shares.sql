-- How many of the first ready runs that an executor could have stand in each of these queues, all of one priority;
-- those without any are left out. Locks nothing: others may hold some of them. Which runs: as in ops.pick_from.
create or replace function ops.queue_shares(
  p_executor ops.executors, p_offer jsonb, p_floors ops.queue_floors[], p_open text[], p_limit int, p_but uuid[])
returns table (floor ops.queue_floors, runs int)
language plpgsql stable set search_path = ''
as $$
declare
  v_now timestamptz := ops.now();
begin
  return query
    select p_floors[ahead.place], count(*)::int
      from (
        select f.place, r.ready_seq from generate_subscripts(p_floors, 1) as f (place)
         cross join lateral (
           select q.ready_seq from ops.runs q
            where q.state = 'queued' and not q.paused and q.queue = (p_floors[f.place]).queue
              and q.kind = (p_floors[f.place]).kind and q.priority = (p_floors[f.place]).priority
              and q.ready_seq >= (p_floors[f.place]).floor_seq
              and (p_executor.workspaces is null or q.workspace = any (p_executor.workspaces))
              and (q.requires is null or p_offer @> q.requires) and (q.deadline is null or q.deadline > v_now)
              and (q.concurrency_key is null or ops.key_of(q.workspace, q.concurrency_key) = any (p_open))
              and q.run_id <> all (p_but)
            order by q.ready_seq limit p_limit) r
         order by r.ready_seq limit p_limit) ahead
     group by ahead.place order by min(ahead.ready_seq);
end
$$;

-- Mutate: where the chain of a run was cut when its month was dropped, written down when an event comes after that:
-- then the own head of the run moves on, and only this tells what was dropped from what is missing. Once for each run.
create or replace function ops.keep_dropped_head(p_run_id uuid) returns void
language sql volatile set search_path = ''
as $$
  insert into ops.dropped_heads (run_id, seq, hash)
  select e.run_id, e.seq - 1, e.prev_hash from ops.events e
   where e.run_id = p_run_id
     and exists (select from ops.dropped_partitions d
                  where d.parent = 'events' and d.from_run_id <= p_run_id and p_run_id < d.to_run_id)
   order by e.seq limit 1
  on conflict do nothing
$$;

-- The concurrency keys, not known yet, of the first ready runs that an executor could have. Runs of known keys
-- without a free slot are looked past. Locks nothing.
create or replace function ops.keys_ahead(
  p_executor ops.executors, p_queues text[], p_known text[], p_open text[])
returns text[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_floor ops.queue_floors;
  v_offer jsonb := ops.offer(p_executor);
  v_now   timestamptz := ops.now();
  v_keys  text[] := '{}';
begin
  for v_floor in
    select * from ops.queue_floors f where f.kind = p_executor.kind and (p_queues is null or f.queue = any (p_queues))
       and not exists (select from ops.queue_pauses u where u.queue = f.queue)
     order by f.priority desc, f.floor_seq
  loop
    v_keys := v_keys || array(
      select distinct ahead.key from (
        select ops.key_of(r.workspace, r.concurrency_key) as key from ops.runs r
         where r.state = 'queued' and not r.paused and r.queue = v_floor.queue and r.kind = v_floor.kind
           and r.priority = v_floor.priority and r.ready_seq >= v_floor.floor_seq
           and (p_executor.workspaces is null or r.workspace = any (p_executor.workspaces))
           and (r.requires is null or v_offer @> r.requires) and (r.deadline is null or r.deadline > v_now)
           and (r.concurrency_key is null or ops.key_of(r.workspace, r.concurrency_key) <> all (p_known)
                or ops.key_of(r.workspace, r.concurrency_key) = any (p_open))
         order by r.ready_seq limit 200) ahead
       where ahead.key is not null and ahead.key <> all (p_known || v_keys));  -- a null would hide all others
  end loop;
  return v_keys;
end
$$;

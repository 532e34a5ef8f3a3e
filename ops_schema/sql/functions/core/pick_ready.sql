-- Lock the first ready runs that an executor could have, by priority, then ready sequence, passing over what others
-- hold. p_open: the concurrency keys that may be picked; runs without a key always may. p_but: runs picked already
-- (their locks are this transaction's own, so SKIP LOCKED would find them again). Seeks from the claim floor.
create or replace function ops.pick_ready(
  p_executor ops.executors, p_queues text[], p_open text[], p_limit int, p_but uuid[] default '{}')
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_floor  ops.queue_floors;
  v_offer  jsonb := ops.offer(p_executor);
  v_now    timestamptz := ops.now();
  v_left   int;
  v_picked uuid[] := '{}';
begin
  for v_floor in
    select * from ops.queue_floors f where f.kind = p_executor.kind and (p_queues is null or f.queue = any (p_queues))
       and not exists (select from ops.queue_pauses u where u.queue = f.queue)
     order by f.priority desc, f.floor_seq
  loop
    if v_floor.moved_at <= v_now - ops.seconds(ops.setting_number('claim_floor_seconds')) then
      v_floor.floor_seq := least(v_floor.floor_seq, ops.move_floor(v_floor.queue, v_floor.kind, v_floor.priority));
    end if;
    v_left := p_limit - cardinality(v_picked);
    v_picked := v_picked || array(
      select r.run_id from ops.runs r
       where r.state = 'queued' and not r.paused and r.queue = v_floor.queue and r.kind = v_floor.kind
         and r.priority = v_floor.priority and r.ready_seq >= v_floor.floor_seq
         and (p_executor.workspaces is null or r.workspace = any (p_executor.workspaces))
         and (r.requires is null or v_offer @> r.requires) and (r.deadline is null or r.deadline > v_now)
         and (r.concurrency_key is null or ops.key_of(r.workspace, r.concurrency_key) = any (p_open))
         and r.run_id <> all (p_but)
       order by r.ready_seq limit v_left for update skip locked);
    exit when cardinality(v_picked) >= p_limit;
  end loop;
  return v_picked;
end
$$;

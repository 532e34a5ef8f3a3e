-- Lock the first ready runs that an executor could have, by priority, then ready sequence, passing over what others
-- hold. p_open: the concurrency keys that may be picked; runs without a key always may. p_but: runs picked already
-- (their locks are this transaction's own, so SKIP LOCKED would find them again). Seeks from the claim floors.
--
-- Queues of one priority share the room as their first runs stand in one line (ops.queue_shares), so that a long queue
-- holds up no other; what others hold of a share is then made up from whichever queue has more.
create or replace function ops.pick_ready(
  p_executor ops.executors, p_queues text[], p_open text[], p_limit int, p_but uuid[] default '{}')
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_rank   record;
  v_share  record;
  v_room   int;
  v_part   uuid[];
  v_offer  jsonb  := ops.offer(p_executor);
  v_picked uuid[] := '{}';
begin
  for v_rank in
    select array_agg(f order by f.floor_seq) as floors, count(*) as alike from ops.queue_floors f
     where f.kind = p_executor.kind and (p_queues is null or f.queue = any (p_queues))
       and not exists (select from ops.queue_pauses u where u.queue = f.queue)
     group by f.priority order by f.priority desc
  loop
    v_room := p_limit - cardinality(v_picked);
    if v_rank.alike = 1 then
      v_picked := v_picked || ops.pick_from(p_executor, v_offer, v_rank.floors[1], p_open, v_room, p_but);
    else
      v_part := '{}';
      for v_share in
        select s.floor, s.runs from ops.queue_shares(p_executor, v_offer, v_rank.floors, p_open, v_room, p_but) s
      loop
        v_part := v_part || ops.pick_from(p_executor, v_offer, v_share.floor, p_open, v_share.runs, p_but);
      end loop;
      for v_at in 1 .. v_rank.alike loop
        exit when cardinality(v_part) >= v_room;
        v_part := v_part || ops.pick_from(p_executor, v_offer, v_rank.floors[v_at], p_open,
                                          v_room - cardinality(v_part), p_but || v_part);
      end loop;
      v_picked := v_picked || array(
        select r.run_id from ops.runs r where r.run_id = any (v_part) order by r.ready_seq);
    end if;
    exit when cardinality(v_picked) >= p_limit;
  end loop;
  return v_picked;
end
$$;

-- Lock the first ready runs of one queue and priority that an executor could have. See ops.pick_ready.
create or replace function ops.pick_from(
  p_executor ops.executors, p_offer jsonb, p_floor ops.queue_floors, p_open text[], p_limit int, p_but uuid[])
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_now  timestamptz := ops.now();
  v_from bigint := p_floor.floor_seq;
begin
  if p_floor.moved_at <= v_now - ops.seconds(ops.setting_number('claim_floor_seconds')) then
    v_from := least(v_from, ops.move_floor(p_floor.queue, p_floor.kind, p_floor.priority));
  end if;
  return array(
    select r.run_id from ops.runs r
     where r.state = 'queued' and not r.paused and r.queue = p_floor.queue and r.kind = p_floor.kind
       and r.priority = p_floor.priority and r.ready_seq >= v_from
       and (p_executor.workspaces is null or r.workspace = any (p_executor.workspaces))
       and (r.requires is null or p_offer @> r.requires) and (r.deadline is null or r.deadline > v_now)
       and (r.concurrency_key is null or ops.key_of(r.workspace, r.concurrency_key) = any (p_open))
       and r.run_id <> all (p_but)
     order by r.ready_seq limit p_limit for update skip locked);
end
$$;

-- Mutate: advance the claim floor of (queue, kind, priority), and say where it stands now. Only one claim at a time
-- does it; others go on with the floor they have.
--
-- Safe because (1) every enqueuer has a transaction id before it draws its ready_seq, (2) a candidate is adopted only
-- when all transactions that were open at its computation had ended before this search began, and (3) is then lowered
-- to the least ready_seq that is visible. Every claim_floor_rescan_seconds the search starts from the very beginning
-- all the same.
create or replace function ops.move_floor(p_queue text, p_kind text, p_priority int) returns bigint
language plpgsql volatile set search_path = ''
as $$
declare
  v_floor  ops.queue_floors;
  v_now    timestamptz := ops.now();
  v_last   bigint;
  v_least  bigint;
  v_rescan boolean;
  v_ended  xid8;
begin
  select * into v_floor from ops.queue_floors f
   where f.queue = p_queue and f.kind = p_kind and f.priority = p_priority for update skip locked;
  if v_floor.queue is null then
    return 9223372036854775807;  -- somebody else is at it
  end if;
  -- before the search: a submit that ends between the two is then still open to the one and not missed by the other
  v_ended := pg_snapshot_xmin(pg_current_snapshot());
  select s.last_value into v_last from ops.ready_seq s;
  v_rescan := v_floor.rescanned_at <= v_now - ops.seconds(ops.setting_number('claim_floor_rescan_seconds'));
  select min(r.ready_seq) into v_least from ops.runs r
   where r.state = 'queued' and not r.paused and r.queue = p_queue and r.kind = p_kind and r.priority = p_priority
     and r.ready_seq >= case when v_rescan then 0 else v_floor.floor_seq end;
  v_least := coalesce(v_least, v_last + 1);

  if v_least < v_floor.floor_seq then
    v_floor.floor_seq := v_least;
  elsif v_ended >= v_floor.candidate_xmax then
    v_floor.floor_seq := least(v_floor.candidate_seq, v_least);
  end if;
  update ops.queue_floors f set
    floor_seq = v_floor.floor_seq, moved_at = v_now,
    rescanned_at = case when v_rescan then v_now else f.rescanned_at end,
    empty_since = case when v_least > v_last then f.empty_since end, candidate_seq = v_least, candidate_xmax = pg_snapshot_xmax(pg_current_snapshot())
   where f.queue = p_queue and f.kind = p_kind and f.priority = p_priority;
  return v_floor.floor_seq;
end
$$;

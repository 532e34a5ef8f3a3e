-- Whether a run's events are a gapless chain that ends at the run's head, and the columns agree with the hashed text.
-- Returns {ok, events, broken_at|null, problem|null, dropped_at|null}; events is how many were verified. Where the
-- run's month was dropped (ops.drop_partitions), ok is null, never true: what came after is verified, that it begins
-- where the chain was cut and ends at the run's head, and nothing more can be. Raises OPN01.
create or replace function ops.verify_events(p_run_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_run    ops.runs;
  v_event  ops.events;
  v_prev   bytea  := decode(repeat('00', 32), 'hex');
  v_gone   bigint := 0;
  v_seq    bigint;
  v_at     timestamptz;
  v_broken text;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id;
  if v_run.run_id is null then
    perform ops.fail('OPN01', format('there is no run %s', p_run_id));
  end if;
  select d.dropped_at into v_at from ops.dropped_partitions d
   where d.parent = 'events' and d.from_run_id <= p_run_id and p_run_id < d.to_run_id;
  if v_at is not null then
    -- from where it was cut: the head, unless an event came after that
    select h.seq, h.hash into v_gone, v_prev from ops.dropped_heads h where h.run_id = p_run_id;
    if not found then
      v_gone := v_run.event_seq;
      v_prev := v_run.event_head;
    end if;
  end if;
  v_seq := v_gone;
  for v_event in select * from ops.events e where e.run_id = p_run_id order by e.seq loop
    v_seq := v_seq + 1;
    v_broken := case
      when v_event.seq <> v_seq then 'a gap'
      when v_event.prev_hash <> v_prev then 'prev_hash is not the hash before'
      when v_event.hash <> sha256(v_prev || convert_to(v_event.canonical, 'UTF8'))
        then 'the hash does not match the text'
      when v_event.canonical <> ops.canonical_event(
             v_event.run_id, v_event.seq, v_event.at, v_event.type, v_event.epoch,
             v_event.canonical::jsonb ->> 'actor', v_event.canonical::jsonb -> 'data')
        then 'the columns differ from the text'
    end;
    exit when v_broken is not null;
    v_prev := v_event.hash;
  end loop;
  if v_broken is null and (v_seq <> v_run.event_seq or v_prev <> v_run.event_head) then
    v_broken := 'the chain does not end at the run''s head';
  end if;
  return jsonb_build_object(
    'ok', case when v_broken is not null then false when v_at is null then true end,
    'events', v_seq - v_gone,
    'problem', coalesce(v_broken, case when v_at is not null
      then format('the first %s of %s events were dropped with their month', v_gone, v_run.event_seq) end),
    'broken_at', case when v_broken is not null then v_seq end,
    'dropped_at', ops.iso(v_at));
end
$$;

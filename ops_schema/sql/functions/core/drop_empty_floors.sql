-- Sweep: forget claim floors that have been empty for `claim_floor_empty_seconds`: every claim probes each floor, and
-- names of queues are free. Looks at p_limit floors at a time, once in ten seconds, and goes on from there.
--
-- Who makes a run ready holds the floor's advisory lock, shared, from before it looks for the floor until it commits
-- (ops.ensure_places). A floor is dropped under that lock alone, after a look that is no older than the lock: so a run
-- is either seen here or makes the floor again. Waits for no lock, and is its caller's last act.
create or replace function ops.drop_empty_floors(p_limit int) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now   timestamptz := ops.now();
  v_after text[];
  v_last  text[];
  v_seen  int         := 0;
  v_duty  record;
  v_floor ops.queue_floors;
begin
  select * into v_duty from ops.take_duty('drop_empty_floors', 10);
  if not v_duty.due then
    return;
  end if;
  v_after := coalesce(string_to_array(v_duty.place, chr(31)), array['', '', '0']);
  for v_floor in
    select * from ops.queue_floors f where (f.queue, f.kind, f.priority) > (v_after[1], v_after[2], v_after[3]::int)
     order by f.queue, f.kind, f.priority limit p_limit for update skip locked
  loop
    v_seen := v_seen + 1;
    v_last := array[v_floor.queue, v_floor.kind, v_floor.priority::text];
    if not ops.floor_is_empty(v_floor) then
      update ops.queue_floors f set empty_since = null
       where (f.queue, f.kind, f.priority) = (v_floor.queue, v_floor.kind, v_floor.priority) and f.empty_since is not null;
    elsif v_floor.empty_since is null then
      update ops.queue_floors f set empty_since = v_now
       where (f.queue, f.kind, f.priority) = (v_floor.queue, v_floor.kind, v_floor.priority);
    elsif v_floor.empty_since <= v_now - ops.seconds(ops.setting_number('claim_floor_empty_seconds'))
          and pg_try_advisory_xact_lock(ops.floor_lock(v_floor.queue, v_floor.kind, v_floor.priority)) then
      delete from ops.queue_floors f
       where (f.queue, f.kind, f.priority) = (v_floor.queue, v_floor.kind, v_floor.priority) and ops.floor_is_empty(f);
    end if;
  end loop;
  update ops.duties set place = case when v_seen = p_limit then array_to_string(v_last, chr(31)) end
   where name = 'drop_empty_floors';
end
$$;

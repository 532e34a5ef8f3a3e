-- Drop the oldest partition of events or logs that is over its time (see ops.old_partitions), and write down that it
-- was: the heads of its chains stay on the runs, and ops.verify_events tells what is gone from what is missing. Returns
-- {dropped: [name], skipped: [name]}; one a call, so that it holds up one table, and never waits long for a lock: the
-- next call tries again. A month whose rows went into a default partition stays there.
create or replace function ops.drop_partitions() returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '2s'
as $$
declare
  v_old     record;
  v_dropped text[] := '{}';
  v_skipped text[] := '{}';
  v_busy    text[] := '{}';
begin
  for v_old in select * from ops.old_partitions() loop
    continue when v_old.parent = any (v_busy);
    begin
      execute format('drop table ops.%I', v_old.name);
      insert into ops.dropped_partitions (name, parent, from_run_id, to_run_id, dropped_at)
      values (v_old.name, v_old.parent, v_old.from_run_id, v_old.to_run_id, ops.now());
      v_dropped := array[v_old.name];
      exit;
    exception when lock_not_available then
      v_skipped := v_skipped || v_old.name;
      v_busy := v_busy || v_old.parent;
    end;
  end loop;
  return jsonb_build_object('dropped', v_dropped, 'skipped', v_skipped);
end
$$;

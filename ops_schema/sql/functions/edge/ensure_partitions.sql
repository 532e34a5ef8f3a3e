-- Make the monthly partitions of events and logs from this month on, as many ahead as the setting says. A month whose
-- rows already went into the default partition stays there. Never waits long for a lock: the next call tries again.
create or replace function ops.ensure_partitions() returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '2s'
as $$
declare
  v_month   timestamptz;
  v_parent  text;
  v_name    text;
  v_created text[] := '{}';
  v_skipped text[] := '{}';
begin
  for i in 0 .. ops.setting_number('partitions_ahead')::int loop
    v_month := date_trunc('month', ops.now() at time zone 'UTC') at time zone 'UTC';
    v_month := ((v_month at time zone 'UTC') + make_interval(months => i)) at time zone 'UTC';
    foreach v_parent in array array['events', 'run_logs'] loop
      v_name := format('%s_%s', v_parent, to_char(v_month at time zone 'UTC', 'YYYY_MM'));
      continue when to_regclass('ops.' || v_name) is not null;
      begin
        perform ops.create_partition(v_parent, v_name, v_month);
        v_created := v_created || v_name;
      exception when check_violation or lock_not_available then
        v_skipped := v_skipped || v_name;
      end;
    end loop;
  end loop;
  return jsonb_build_object('created', v_created, 'skipped', v_skipped);
end
$$;

-- Mutate: note that the sweeper runs now; returns when its last outage ended. A gap longer than the setting
-- sweeper_gap_seconds, or no run before, counts as an outage that ends now. Sweepers take turns by this row's lock.
create or replace function ops.sweeper_resumed() returns timestamptz
language plpgsql volatile set search_path = ''
as $$
declare
  v_now     timestamptz := ops.now();
  v_resumed timestamptz;
begin
  insert into ops.duties as d (name, ran_at, resumed_at) values ('expire_leases', v_now, v_now)
  on conflict (name) do update set
    resumed_at = case when v_now - d.ran_at > ops.seconds(ops.setting_number('sweeper_gap_seconds')) then v_now
                      else d.resumed_at end,
    ran_at = greatest(v_now, d.ran_at)
  returning d.resumed_at into v_resumed;
  return v_resumed;
end
$$;

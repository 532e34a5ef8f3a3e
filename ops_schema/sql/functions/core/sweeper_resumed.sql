-- Mutate: note that the sweeper runs now; a pause longer than the setting sweeper_gap_seconds is remembered, and the
-- first run ever ends one without a beginning. Sweepers take turns by the duty's row lock.
create or replace function ops.sweeper_resumed() returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := ops.now();
  v_ran timestamptz;
begin
  insert into ops.duties (name, ran_at) values ('expire_leases', '-infinity') on conflict do nothing;
  select u.ran_at into v_ran from ops.duties u where u.name = 'expire_leases' for update;
  if v_ran = '-infinity' or v_now - v_ran > ops.seconds(ops.setting_number('sweeper_gap_seconds')) then
    delete from ops.sweeper_gaps where ended_at < v_now - interval '3 hours';
    insert into ops.sweeper_gaps (ended_at, seconds)
    values (v_now, case when v_ran = '-infinity' then 'infinity' else extract(epoch from v_now - v_ran) end)
    on conflict do nothing;
  end if;
  update ops.duties set ran_at = greatest(v_now, v_ran) where name = 'expire_leases';
end
$$;

-- One month's partition of a table partitioned by run id.
create or replace function ops.create_partition(p_parent text, p_name text, p_month timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_next timestamptz := ((p_month at time zone 'UTC') + interval '1 month') at time zone 'UTC';
begin
  execute format('create table ops.%I partition of ops.%I for values from (%L) to (%L)',
    p_name, p_parent, ops.uuid7_floor(p_month), ops.uuid7_floor(v_next));
  if p_parent = 'events' then
    execute format(
      'create trigger %I before truncate on ops.%I for each statement execute function ops.refuse_change()',
      p_name || '_never_truncated', p_name);
  end if;
end
$$;

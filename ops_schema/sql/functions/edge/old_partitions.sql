-- The monthly partitions that are over their time, the oldest first: of a month that was over before the months to keep
-- began, and so was each of its runs. The run_ids of a month are those from from_run_id to before to_run_id. A run that
-- has not ended keeps its month, whatever its age: what happens to it is still told.
create or replace function ops.old_partitions()
returns table (parent text, name text, from_run_id uuid, to_run_id uuid)
language sql stable set search_path = ''
as $$
  select k.parent, c.relname::text, f.from_run_id, f.to_run_id
    from (values ('events', 'events_kept_months'), ('run_logs', 'logs_kept_months')) k (parent, setting)
    join pg_inherits i on i.inhparent = to_regclass('ops.' || k.parent)
    join pg_class c on c.oid = i.inhrelid and c.relname ~ ('^' || k.parent || '_[0-9]{4}_[0-9]{2}$')
   cross join lateral (select to_date(right(c.relname, 7), 'YYYY_MM')::timestamp as begins,
                              date_trunc('month', ops.now() at time zone 'UTC')
                                - make_interval(months => ops.setting_number(k.setting)::int) as kept_from) m
   cross join lateral (select ops.uuid7_floor(m.begins at time zone 'UTC') as from_run_id,
                              ops.uuid7_floor((m.begins + interval '1 month') at time zone 'UTC') as to_run_id) f
   where m.begins + interval '1 month' <= m.kept_from
     and not exists (select from ops.runs r
                      where r.run_id >= f.from_run_id and r.run_id < f.to_run_id
                        and (r.finished_at is null or r.finished_at >= m.kept_from at time zone 'UTC'))
   order by m.begins, k.parent
$$;

-- The last event of a run of one of these types, as it is stored; null when there is none.
create or replace function ops.last_event(p_run_id uuid, p_types text[]) returns jsonb
language sql stable set search_path = ''
as $$
  select e.canonical::jsonb from ops.events e
   where e.run_id = p_run_id and e.type = any (p_types) order by e.seq desc limit 1
$$;

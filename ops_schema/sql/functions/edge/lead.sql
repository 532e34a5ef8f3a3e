-- Take or renew a duty for some seconds: true for its one holder, false for the others until it lapses.
create or replace function ops.lead(p_name text, p_holder text, p_seconds double precision) returns boolean
language plpgsql security definer set search_path = ''
as $$
declare
  v_ends timestamptz := ops.now() + make_interval(secs => p_seconds);
begin
  insert into ops.leadership as l (name, holder, acquired_at, expires_at) values (p_name, p_holder, ops.now(), v_ends)
  on conflict (name) do update
     set holder = excluded.holder,
         term = l.term + (l.holder <> excluded.holder)::int,
         acquired_at = case when l.holder = excluded.holder then l.acquired_at else excluded.acquired_at end,
         expires_at = excluded.expires_at
   where l.holder = excluded.holder or l.expires_at <= ops.now();
  return found;
end
$$;

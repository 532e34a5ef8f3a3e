-- When the sweeper came back from the last pause that counts for a lease of this length: one longer than the time
-- between two renewals. Such a lease has its whole length from then. Long ago when there was none.
create or replace function ops.sweeper_back(p_lease_seconds int) returns timestamptz
language sql stable set search_path = ''
as $$
  select coalesce(max(g.ended_at), '-infinity') from ops.sweeper_gaps g where g.seconds > p_lease_seconds / 3.0
$$;

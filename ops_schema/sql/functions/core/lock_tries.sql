-- Those who retry the same work take turns: an advisory lock for each first try, in one order. Taken before runs.
create or replace function ops.lock_tries(p_run_ids uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock(l.lock) from (
    select distinct hashtextextended('ops.tries:' || ops.first_try(r), 0) as lock from unnest(p_run_ids) r
     order by 1) l;
end
$$;

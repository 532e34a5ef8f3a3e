-- The run that a retry goes back to over all retries between; the run itself when it is none.
create or replace function ops.first_try(p_run_id uuid) returns uuid
language sql stable set search_path = ''
as $$
  with recursive earlier as (
    select r.run_id, r.retry_of from ops.runs r where r.run_id = p_run_id
    union all
    select r.run_id, r.retry_of from earlier e join ops.runs r on r.run_id = e.retry_of)
  select e.run_id from earlier e where e.retry_of is null
$$;

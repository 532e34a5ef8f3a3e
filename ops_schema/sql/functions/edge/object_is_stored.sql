-- Whether an artifact of the run's workspace has put these bytes into the store. Other workspaces' bytes do not count:
-- knowing a digest must not open what another tenant wrote.
create or replace function ops.object_is_stored(p_run_id uuid, p_object_key text) returns boolean
language sql stable set search_path = ''
as $$
  select exists (
    select from ops.artifacts a
      join ops.runs r on r.run_id = a.run_id
     where a.object_key = p_object_key and a.state in ('recorded', 'visible')
       and r.workspace = (select o.workspace from ops.runs o where o.run_id = p_run_id))
$$;

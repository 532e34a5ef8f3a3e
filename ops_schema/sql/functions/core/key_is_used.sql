-- Whether a run that has not ended has this concurrency key.
create or replace function ops.key_is_used(p_workspace text, p_key text) returns boolean
language sql stable set search_path = ''
as $$
  select exists (select from ops.runs r where r.workspace = p_workspace and r.concurrency_key = p_key
                    and r.state in ('waiting', 'queued', 'running'))
$$;

-- The Run document of a run that is known to exist.
create or replace function ops.run_json(p_run_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select ops.run_json(r) from ops.runs r where r.run_id = p_run_id
$$;

-- The limit that holds for a run now: the least of its own and of what platform, workspace and template are given; null
-- when there is none.
create or replace function ops.cap_in_force(p_run_id uuid, p_cap text) returns bigint
language sql stable set search_path = ''
as $$
  select floor((ops.effective_caps(r.workspace, r.template_name, r.caps) ->> p_cap)::numeric)::bigint
    from ops.runs r where r.run_id = p_run_id
$$;

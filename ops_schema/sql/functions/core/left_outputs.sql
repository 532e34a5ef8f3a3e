-- The names of what a run left for others to read, publications and visible artifacts, as text: ten at most.
create or replace function ops.left_outputs(p_run_id uuid) returns text
language sql stable set search_path = ''
as $$
  with known as (
    select p.output as name from ops.publications p where p.run_id = ops.worker_of(p_run_id) and p.state = 'committed'
    union
    select a.name from ops.artifacts a where a.run_id = ops.worker_of(p_run_id) and a.state = 'visible')
  select coalesce(nullif(ops.first_names(array(select k.name from known k order by k.name)), ''), 'nothing')
$$;

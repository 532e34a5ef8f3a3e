-- The names of what a run left for others to read, publications and visible artifacts, as text: ten at most.
create or replace function ops.left_outputs(p_run_id uuid) returns text
language sql stable set search_path = ''
as $$
  with known as (
    select p.output as name from ops.publications p where p.run_id = p_run_id and p.state = 'committed'
    union
    select a.name from ops.artifacts a where a.run_id = p_run_id and a.state = 'visible')
  select case when count(*) = 0 then 'nothing'
              else string_agg(k.name, ', ' order by k.name) filter (where k.place <= 10)
                   || case when count(*) > 10 then format(' and %s more', count(*) - 10) else '' end end
    from (select n.name, row_number() over (order by n.name) as place from known n) k
$$;

-- All runs that wait, directly or not, for one of these runs; with a pipeline its tasks.
create or replace function ops.descendants(p_run_ids uuid[]) returns uuid[]
language plpgsql stable set search_path = ''
as $$
begin
  if not exists (select from ops.run_dependencies d where d.depends_on = any (p_run_ids)) then
    return '{}';
  end if;
  return array(
    with recursive below (run_id) as (
      select d.run_id from ops.run_dependencies d where d.depends_on = any (p_run_ids)
      union
      select x.run_id from below b cross join lateral (
        select d.run_id from ops.run_dependencies d where d.depends_on = b.run_id
        union all
        select c.run_id from ops.runs c where c.pipeline_run_id = b.run_id) x)
    select b.run_id from below b);
end
$$;

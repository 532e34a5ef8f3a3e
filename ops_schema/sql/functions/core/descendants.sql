-- All runs that wait, directly or not, for one of these runs.
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
      select d.run_id from below b join ops.run_dependencies d on d.depends_on = b.run_id)
    select b.run_id from below b);
end
$$;

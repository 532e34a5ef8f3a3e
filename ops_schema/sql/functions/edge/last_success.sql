-- The last run of the same template's name that succeeded in the workspace of this one, as an array of one or none.
create or replace function ops.last_success(p_run_id uuid) returns uuid[]
language sql stable set search_path = ''
as $$
  select array(
    select s.run_id from ops.runs r
      join ops.runs s on s.number < r.number and s.number > r.number - 100000
       and s.workspace = r.workspace and s.template_name = r.template_name and s.state = 'succeeded'
     where r.run_id = p_run_id
     order by s.number desc
     limit 1)
$$;

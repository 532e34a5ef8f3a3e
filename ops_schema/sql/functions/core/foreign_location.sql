-- The error of a commit whose table lies in another workspace's place: runs that read it would get keys for that. Null
-- when it does not. The run fails by it and is not left publishing, since a repetition would say the same.
create or replace function ops.foreign_location(p_publication ops.publications, p_location text) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('class', 'user', 'code', 'location_foreign', 'message',
           format('the table was committed, but lies at %s, which is no place of workspace %s', p_location, r.workspace))
    from ops.runs r
   where r.run_id = p_publication.run_id and p_location is not null and not ops.is_table_for(r.workspace, p_location)
$$;

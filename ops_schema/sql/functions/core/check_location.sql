-- Guard: where a committed table's files lie, which runs that read it get keys for. An Iceberg table's is said, and
-- none lies in another workspace's place. Raises OPV01.
create or replace function ops.check_location(p_publication ops.publications, p_location text) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_workspace text := (select r.workspace from ops.runs r where r.run_id = p_publication.run_id);
begin
  if p_publication.format = 'iceberg' and coalesce(p_location, '') !~ '^[a-z][a-z0-9+.-]*://[^/]' then
    perform ops.invalid('/location', 'must say where the Iceberg table''s files lie, as in s3://bucket/place');
  elsif p_location is not null and not ops.is_table_for(v_workspace, p_location) then
    perform ops.invalid('/location', format('is no place of workspace %s', v_workspace));
  end if;
end
$$;

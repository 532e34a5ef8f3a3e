-- Guard: an Iceberg table's commit says where its files lie. Raises OPV01.
create or replace function ops.check_location(p_publication ops.publications, p_location text) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if p_publication.format = 'iceberg' and coalesce(p_location, '') !~ '^[a-z][a-z0-9+.-]*://[^/]' then
    perform ops.invalid('/location', 'must say where the Iceberg table''s files lie, as in s3://bucket/place');
  end if;
end
$$;

-- Whether what is told of a publication that has ended is what it ended by: the same commit, taken or refused, or a
-- failure where one is on record, since two who try the same find other words for why they cannot.
create or replace function ops.is_settled_so(p_publication ops.publications, p_body jsonb) returns boolean
language sql immutable set search_path = ''
as $$
  select case
    when (p_publication).state = 'failed' and p_body ->> 'state' = 'failed' then true
    when p_body ->> 'state' = 'committed' and told.version is not null
      then told.version = (p_body ->> 'table_version')::bigint
           and told.location is not distinct from p_body ->> 'location'
    else false end
    from (select coalesce((p_publication).table_version, ((p_publication).refused ->> 'table_version')::bigint)
                   as version,
                 coalesce((p_publication).location, (p_publication).refused ->> 'location') as location) told
$$;

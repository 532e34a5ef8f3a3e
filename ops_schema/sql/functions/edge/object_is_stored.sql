-- Whether an artifact has put the bytes of this key into the store. The key names the workspace, so other tenants'
-- bytes never count.
create or replace function ops.object_is_stored(p_object_key text) returns boolean
language sql stable set search_path = ''
as $$
  select exists (
    select from ops.artifacts a where a.object_key = p_object_key and a.state in ('recorded', 'visible'))
$$;

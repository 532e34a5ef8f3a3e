-- Whether somebody has the bytes of a key, or is about to: an artifact that is not lost or over its time, a bundle.
create or replace function ops.object_is_needed(p_object_key text) returns boolean
language sql stable set search_path = ''
as $$
  select exists (select from ops.artifacts a
                  where a.object_key = p_object_key and a.state in ('begun', 'recorded', 'visible'))
      or exists (select from ops.bundles b where b.object_key = p_object_key)
$$;

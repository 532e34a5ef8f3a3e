-- A code bundle, with the key that the server turns into a URL.
create or replace function ops.bundle_json(p_bundle ops.bundles) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'sha256', (p_bundle).sha256,
    'size', (p_bundle).size,
    'object_key', (p_bundle).object_key,
    'already_stored', (p_bundle).state = 'stored')
$$;

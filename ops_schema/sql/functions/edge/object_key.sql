-- Where bytes live in the object store: by their SHA-256, spread over 256 prefixes.
create or replace function ops.object_key(p_sha256 text) returns text
language sql immutable set search_path = ''
as $$
  select 'sha256/' || left(p_sha256, 2) || '/' || p_sha256
$$;

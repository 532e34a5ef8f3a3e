-- Where bytes live in the object store: below their workspace, by their SHA-256, spread over 256 prefixes. The
-- workspace is part of the address, so that knowing a digest opens nothing that another tenant stored.
create or replace function ops.object_key(p_workspace text, p_sha256 text) returns text
language sql immutable set search_path = ''
as $$
  select p_workspace || '/sha256/' || left(p_sha256, 2) || '/' || p_sha256
$$;

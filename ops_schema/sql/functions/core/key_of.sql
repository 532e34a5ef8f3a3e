-- A concurrency key with its workspace as one text, for sets of keys; null for a run without a key.
create or replace function ops.key_of(p_workspace text, p_key text) returns text
language sql immutable parallel safe
return p_workspace || chr(31) || p_key;

-- The lock of a claim's request id, in whatever spelling.
create or replace function ops.request_lock(p_request_id text) returns bigint
language sql immutable parallel safe
return hashtextextended('ops.claim:' || lower(p_request_id), 0);

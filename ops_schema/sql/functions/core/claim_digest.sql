-- The digest of what a claim means: how it waits is no part of it, and a member that is null is as good as none.
create or replace function ops.claim_digest(p_body jsonb) returns bytea
language sql immutable parallel safe
return sha256(convert_to(jsonb_strip_nulls(p_body - 'request_id' - 'wait_seconds')::text, 'UTF8'));

-- The error of an attempt whose lease lapsed.
create or replace function ops.expired_error(p_deadline timestamptz) returns jsonb
language sql stable parallel safe
return jsonb_build_object('class', 'internal', 'code', 'lease_expired', 'message',
  'the executor was not heard of until the lease ended at '
  || to_char(p_deadline at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'));

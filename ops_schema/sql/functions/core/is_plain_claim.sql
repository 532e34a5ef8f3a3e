-- Whether a claim's body is well formed, with the id in its plain spelling; ops.check_claim judges the others.
create or replace function ops.is_plain_claim(p_body jsonb) returns boolean
language sql immutable parallel safe
return coalesce(
  p_body ->> 'request_id' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
  and p_body ->> 'max_runs' ~ '^([1-9][0-9]?|100)$'
  and coalesce(jsonb_typeof(p_body -> 'queues'), 'null') in ('array', 'null'), false);

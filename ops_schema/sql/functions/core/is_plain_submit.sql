-- Whether a submit's body is well formed and asks for nothing that is looked at one by one: no parents, no key but the
-- idempotency key, no caps, retry policy or reuse of its own. Times are not read here.
create or replace function ops.is_plain_submit(p_body jsonb) returns boolean
language sql immutable parallel safe
return coalesce(
  jsonb_typeof(p_body) = 'object'
  and not p_body ?| '{depends_on,condition,dedupe_key,on_conflict,concurrency_key,concurrency_limit,caps,retry,reuse}'
  and jsonb_typeof(p_body -> 'template') = 'string'
  and coalesce(jsonb_typeof(p_body -> 'workspace'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_body -> 'queue'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_body -> 'not_before'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_body -> 'deadline'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_body -> 'traceparent'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_body -> 'idempotency_key'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_body -> 'params'), 'object') = 'object'
  and coalesce(jsonb_typeof(p_body -> 'labels'), 'object') = 'object'
  and coalesce(jsonb_typeof(p_body #> '{checked,params}'), 'object') = 'object'
  and coalesce(p_body #>> '{checked,template_version}', '0') ~ '^[0-9]{1,9}$'
  and coalesce(p_body ->> 'template_version', '0') ~ '^[0-9]{1,9}$'
  and coalesce(p_body ->> 'priority', '0') ~ '^-?[0-9]{1,9}$'
  and coalesce(p_body ->> 'max_attempts', '1') ~ '^[1-9][0-9]?$'
  and coalesce(p_body ->> 'lease_seconds', '10') ~ '^[1-9][0-9]{1,2}$', false);

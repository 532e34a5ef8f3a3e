-- Whether a report's body is well formed and says no more than that the attempt succeeded.
create or replace function ops.is_plain_report(p_body jsonb) returns boolean
language sql immutable parallel safe
return coalesce(
  p_body ->> 'outcome' = 'succeeded'
  and jsonb_typeof(p_body -> 'epoch') = 'number' and p_body ->> 'epoch' ~ '^[0-9]{1,18}$'
  and jsonb_typeof(p_body -> 'idempotency_key') = 'string' and length(p_body ->> 'idempotency_key') between 1 and 200
  and coalesce(p_body -> 'publications', '[]') in ('[]', 'null')
  and coalesce(p_body -> 'cap_ledger', '[]') in ('[]', 'null')
  and coalesce(jsonb_typeof(p_body -> 'usage'), 'null') in ('object', 'null')
  and coalesce(jsonb_typeof(p_body -> 'metrics'), 'null') in ('object', 'null'), false);

-- Whether a submit may use up an idempotency key without making a run (see ops.deduplicated).
create or replace function ops.keeps_key_alone(p_body jsonb) returns boolean
language sql immutable parallel safe
return coalesce(p_body ->> 'on_conflict' = 'return' and p_body ->> 'idempotency_key' is not null, false);

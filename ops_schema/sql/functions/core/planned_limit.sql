-- The limit of a new run's concurrency key.
create or replace function ops.planned_limit(p_spec jsonb, p_body jsonb) returns int
language sql immutable parallel safe
return coalesce((p_body ->> 'concurrency_limit')::int, (p_spec #>> '{concurrency,limit}')::int, 1);

-- How many seconds an executor has to stop a run whose cost passed its cap: none to kill it, what the cap says, or null
-- for what a cancellation gives.
create or replace function ops.order_grace(p_action text, p_rules jsonb) returns numeric
language sql immutable parallel safe
return case p_action when 'killed' then 0 else (p_rules #>> '{cost,grace_seconds}')::numeric end;

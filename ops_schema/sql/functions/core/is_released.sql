-- Whether an attempt that ended so was given back by an executor that left (ops.leave_executor). No report can say so:
-- `expired` is no outcome of one.
create or replace function ops.is_released(p_outcome text, p_error jsonb) returns boolean
language sql immutable parallel safe
return coalesce(p_outcome = 'expired' and p_error ->> 'code' = 'released', false);

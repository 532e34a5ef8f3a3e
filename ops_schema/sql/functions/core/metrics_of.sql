-- The metrics that a heartbeat or a report brings of a run, name to number; null when it brings none, or what is none.
-- 50 names of 63 characters, as the contract has them, are below the bound, however they are written.
create or replace function ops.metrics_of(p_body jsonb) returns jsonb
language sql immutable parallel safe
return case when jsonb_typeof(p_body -> 'metrics') = 'object' and length(p_body ->> 'metrics') <= 40000
            then p_body -> 'metrics' end;

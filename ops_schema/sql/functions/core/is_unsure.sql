-- Whether nobody knows what an attempt wrote, or a part of it is written: nobody reported it, or its executor says so.
create or replace function ops.is_unsure(p_outcome text, p_error jsonb) returns boolean
language sql immutable parallel safe
return p_outcome = 'expired' or coalesce(p_error ->> 'code' in ('outcome_unknown', 'partly_written'), false);

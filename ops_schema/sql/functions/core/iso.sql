-- A time as the contract writes it: ISO-8601, UTC, microseconds, 'Z'. Null stays null.
create or replace function ops.iso(p_at timestamptz) returns text
language sql stable parallel safe
return to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

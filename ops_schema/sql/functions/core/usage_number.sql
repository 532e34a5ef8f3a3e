-- A figure of a usage as a number from 0; null when it is none.
create or replace function ops.usage_number(p_usage jsonb, p_unit text) returns numeric
language sql immutable parallel safe
return case when jsonb_typeof(p_usage -> p_unit) = 'number' then greatest(0, (p_usage ->> p_unit)::numeric) end;

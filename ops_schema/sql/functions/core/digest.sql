-- SHA-256 of a JSON value's stored text (keys in jsonb's own order, so equal values have equal digests).
create or replace function ops.digest(p_value jsonb) returns bytea
language sql stable parallel safe
return sha256(convert_to(p_value::text, 'UTF8'));

-- What was done by whom, when and why, as words.
create or replace function ops.paused_text(p_what text, p_by text, p_at text, p_reason text) returns text
language sql immutable parallel safe
return concat(p_what, ' by ' || p_by, ' at ' || p_at, ': ' || p_reason);

-- How much an action of a cap ends: cut (the log alone), cancel, kill; null of null.
create or replace function ops.cap_strength(p_action text) returns int
language sql immutable parallel safe
return array_position('{cut,cancel,kill}'::text[], p_action);

-- The advisory lock under which a claim floor is made and dropped: one of 64, so that a batch with thousands of queues
-- takes no more.
create or replace function ops.floor_lock(p_queue text, p_kind text, p_priority int) returns bigint
language sql immutable parallel safe
return hashtextextended('ops.floors:'
  || (hashtextextended(concat_ws(chr(31), p_queue, p_kind, p_priority), 0) & 63), 0);

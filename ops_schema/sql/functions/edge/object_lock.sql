-- The advisory lock of an object's key: shared by those who are about to need it, alone by the collector, which so sees
-- whoever has just begun.
create or replace function ops.object_lock(p_object_key text) returns bigint
language sql immutable parallel safe
return hashtextextended('ops.object:' || p_object_key, 0);

-- The failure classes that a template's spec has tried again.
create or replace function ops.retry_classes(p_spec jsonb) returns jsonb
language sql immutable parallel safe
return coalesce(p_spec #> '{retry,on}', '["external", "internal", "resources"]');

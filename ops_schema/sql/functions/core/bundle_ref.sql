-- A template's bundle as {sha256, size}; null when it has none.
create or replace function ops.bundle_ref(p_spec jsonb) returns jsonb
language sql stable parallel safe
return case when p_spec #>> '{bundle,sha256}' is not null then
  jsonb_build_object('sha256', p_spec #> '{bundle,sha256}', 'size', p_spec #> '{bundle,size}') end;

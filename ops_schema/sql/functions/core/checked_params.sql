-- The parameters of a run: an object, with the schema's top-level defaults filled in and its required names present.
-- The rest of the JSON Schema is the server's to check. Raises OPV02.
create or replace function ops.checked_params(p_schema jsonb, p_params jsonb) returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  v_params  jsonb := coalesce(nullif(p_params, 'null'), '{}');
  v_missing text;
begin
  if jsonb_typeof(v_params) <> 'object' then
    perform ops.params_invalid('/params', 'must be an object');
  end if;
  if jsonb_typeof(p_schema -> 'properties') = 'object' then
    v_params := (select coalesce(jsonb_object_agg(p.key, p.value -> 'default'), '{}')
                   from jsonb_each(p_schema -> 'properties') p
                  where jsonb_typeof(p.value) = 'object' and p.value ? 'default') || v_params;
  end if;
  if jsonb_typeof(p_schema -> 'required') = 'array' then
    select r into v_missing from jsonb_array_elements_text(p_schema -> 'required') r where not v_params ? r limit 1;
    if v_missing is not null then
      perform ops.params_invalid('/params/' || v_missing, 'is required');
    end if;
  end if;
  return v_params;
end
$$;

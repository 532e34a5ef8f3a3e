-- A JSON array of strings as text[]; null and JSON null stay null, anything else is refused (OPV01).
create or replace function ops.text_array(p_value jsonb, p_field text) returns text[]
language plpgsql immutable set search_path = ''
as $$
begin
  if p_value is null or jsonb_typeof(p_value) = 'null' then
    return null;
  end if;
  if jsonb_typeof(p_value) <> 'array' or jsonb_path_exists(p_value, '$[*] ? (@.type() != "string")') then
    perform ops.invalid('/' || p_field, 'must be a list of strings');
  end if;
  return array(select jsonb_array_elements_text(p_value));
end
$$;

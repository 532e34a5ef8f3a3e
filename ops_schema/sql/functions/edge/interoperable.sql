-- A JSON value in which every number is one that any reader of JSON keeps (RFC 7493: a double, or a whole number below
-- 2^53). Any other, such as the snapshot id of an Iceberg table, becomes text.
create or replace function ops.interoperable(p_value jsonb) returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  v_number numeric;
begin
  if p_value::text !~ '[0-9.]{16}' then  -- no number that long: nothing to look for
    return p_value;
  end if;
  case jsonb_typeof(p_value)
    when 'object' then
      return (select jsonb_object_agg(m.key, ops.interoperable(m.value)) from jsonb_each(p_value) m);
    when 'array' then
      return (select jsonb_agg(ops.interoperable(m.value) order by m.ordinality)
                from jsonb_array_elements(p_value) with ordinality m);
    when 'number' then
      v_number := p_value::numeric;
      if v_number = trunc(v_number) then
        return case when abs(v_number) < 9007199254740992 then p_value else to_jsonb(p_value::text) end;
      elsif abs(v_number) between 1e-300 and 1e300 and v_number = v_number::float8::text::numeric then
        return p_value;
      end if;
      return to_jsonb(p_value::text);
    else
      return p_value;
  end case;
end
$$;

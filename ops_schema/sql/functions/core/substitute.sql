-- Replace {params.x} in every string of a JSON value. A string that is nothing but one reference takes the parameter's
-- value with its type; inside a longer string the value is written as text. Raises OPV02 for an unknown parameter.
create or replace function ops.substitute(p_value jsonb, p_params jsonb, p_path text default '') returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  v_text text;
  v_name text;
begin
  case jsonb_typeof(p_value)
    when 'object' then
      return (select coalesce(jsonb_object_agg(e.key, ops.substitute(e.value, p_params, p_path || '/' || e.key)), '{}')
                from jsonb_each(p_value) e);
    when 'array' then
      return (select coalesce(jsonb_agg(
                       ops.substitute(e.value, p_params, p_path || '/' || (e.n - 1)) order by e.n), '[]')
                from jsonb_array_elements(p_value) with ordinality e (value, n));
    when 'string' then
      v_text := p_value #>> '{}';
      v_name := substring(v_text from '^\{params\.([A-Za-z0-9_-]+)\}$');
      if v_name is not null then
        perform ops.check_param(p_params, v_name, p_path);
        return p_params -> v_name;
      end if;
      for v_name in select m[1] from regexp_matches(v_text, '\{params\.([A-Za-z0-9_-]+)\}', 'g') m loop
        perform ops.check_param(p_params, v_name, p_path);
        v_text := replace(v_text, '{params.' || v_name || '}', p_params ->> v_name);
      end loop;
      return to_jsonb(v_text);
    else
      return p_value;
  end case;
end
$$;

-- The cap that a body describes, not yet stored, when the caller may set it: see ops.scope_from. Raises OPV01 besides.
create or replace function ops.cap_from(p_token_id uuid, p_body jsonb) returns ops.caps
language plpgsql stable set search_path = ''
as $$
declare
  v_cap ops.caps;
begin
  if not ops.cap_names() ? coalesce(p_body ->> 'cap', '') then
    perform ops.invalid('/cap', 'must be one of ' || array_to_string(ops.text_array(ops.cap_names(), 'caps'), ', '));
  elsif coalesce(jsonb_typeof(p_body -> 'limit'), '') not in ('number', 'null')
        or (p_body ->> 'limit')::numeric not between 1 and 1e18 then
    perform ops.invalid('/limit', 'must be a number from 1, or null to remove the cap');
  elsif p_body ->> 'cap' not in ('wall_seconds', 'cpu_seconds') and (p_body ->> 'limit')::numeric % 1 <> 0 then
    perform ops.invalid('/limit', 'must be a whole number');
  end if;
  v_cap := ops.scope_from(p_token_id, p_body);
  v_cap.cap := p_body ->> 'cap';
  v_cap."limit" := (p_body ->> 'limit')::numeric;
  v_cap.updated_at := ops.now();
  return v_cap;
end
$$;

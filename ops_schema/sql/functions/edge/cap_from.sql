-- The cap that a body describes, not yet stored, when the caller may set it: see ops.scope_from. Raises OPV01 besides.
create or replace function ops.cap_from(p_token_id uuid, p_body jsonb) returns ops.caps
language plpgsql stable set search_path = ''
as $$
declare
  v_cap ops.caps;
begin
  if not ops.cap_names() ? coalesce(p_body ->> 'cap', '') then
    perform ops.invalid('/cap', 'must be one of ' || array_to_string(ops.text_array(ops.cap_names(), 'caps'), ', '));
  elsif jsonb_typeof(p_body -> 'limit') = 'null' then
    perform ops.check_cap_action('', p_body ->> 'cap', p_body);
  else
    perform ops.check_cap_value('', p_body ->> 'cap', p_body);
  end if;
  v_cap := ops.scope_from(p_token_id, p_body);
  v_cap.cap := p_body ->> 'cap';
  v_cap."limit" := (p_body ->> 'limit')::numeric;
  v_cap.action := p_body ->> 'action';
  v_cap.grace_seconds := (p_body ->> 'grace_seconds')::numeric;
  v_cap.updated_at := ops.now();
  return v_cap;
end
$$;

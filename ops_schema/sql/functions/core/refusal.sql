-- A caught refusal as the detail of a member's answer; a value of the wrong form (class 22) is one too, and p_code
-- becomes OPV01. Anything else is raised again as it was.
create or replace function ops.refusal(inout p_code text, p_message text, p_members text, p_hint text, out detail text)
language plpgsql stable set search_path = ''
as $$
begin
  if p_code like '22%' then
    p_code := 'OPV01';
    p_message := 'a value has the wrong form: ' || p_message;
    p_members := null;
  elsif p_code not like 'OP%' then
    raise exception using errcode = p_code, message = p_message, detail = p_members, hint = p_hint;
  end if;
  detail := json_build_object('message', p_message, 'members', coalesce(nullif(p_members, ''), '{}')::json,
                           'hint', nullif(p_hint, ''))::text;
end
$$;

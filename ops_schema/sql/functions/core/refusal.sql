-- A caught refusal as the detail of a member's answer. Anything but a refusal of ours is raised again as it was.
create or replace function ops.refusal(p_code text, p_message text, p_members text, p_hint text) returns text
language plpgsql stable set search_path = ''
as $$
begin
  if p_code not like 'OP%' then
    raise exception using errcode = p_code, message = p_message, detail = p_members, hint = p_hint;
  end if;
  return json_build_object('message', p_message, 'members', coalesce(nullif(p_members, ''), '{}')::json,
                           'hint', nullif(p_hint, ''))::text;
end
$$;

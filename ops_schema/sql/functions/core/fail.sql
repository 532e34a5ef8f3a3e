-- Refuse the request: raises p_code with the detail text as message, the problem's members as DETAIL (JSON) and what to
-- do as HINT. Every domain error of the schema goes through here. Never returns.
create or replace function ops.fail(p_code text, p_message text, p_members jsonb default '{}', p_hint text default null)
returns void
language plpgsql immutable set search_path = ''
as $$
begin
  raise exception using errcode = p_code, message = p_message, detail = p_members::text, hint = coalesce(p_hint, '');
end
$$;

-- A cap as people see it.
create or replace function ops.cap_json(p_cap ops.caps) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('scope', (p_cap).scope, 'workspace', (p_cap).workspace,
    'template_name', (p_cap).template_name, 'cap', (p_cap).cap, 'limit', (p_cap)."limit",
    'action', (p_cap).action, 'grace_seconds', (p_cap).grace_seconds,
    'updated_at', ops.iso((p_cap).updated_at))
$$;

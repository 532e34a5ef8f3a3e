-- Change a setting of the platform: p_body {key, value}. Returns {key, value, updated_at}.
-- Raises OPU01, OPU02, OPV01 (no such setting, or not such a value).
create or replace function ops.put_setting(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
begin
  perform ops.require_everywhere(p_token_id);
  return ops.set_setting(p_body ->> 'key', p_body -> 'value');
end
$$;

-- Store a checked setting; for the verb put_setting, and for migrate, which has no token yet. Granted to nobody.
create or replace function ops.set_setting(p_key text, p_value jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_setting ops.settings;
begin
  perform ops.check_setting(p_key, p_value);
  update ops.settings s set value = p_value, updated_at = ops.now()
   where s.key = p_key and s.value is distinct from p_value;
  select * into v_setting from ops.settings s where s.key = p_key;
  return jsonb_build_object('key', v_setting.key, 'value', v_setting.value, 'updated_at', ops.iso(v_setting.updated_at));
end
$$;

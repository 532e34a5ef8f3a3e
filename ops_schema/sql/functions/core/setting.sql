-- A setting's value as JSON; null when nobody set it.
create or replace function ops.setting(p_key text) returns jsonb
language sql stable parallel safe
return (select s.value from ops.settings s where s.key = p_key);

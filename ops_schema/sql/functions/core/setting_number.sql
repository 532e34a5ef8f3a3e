-- A setting's value as a number; null when nobody set it.
create or replace function ops.setting_number(p_key text) returns numeric
language sql stable parallel safe
return (select (s.value #>> '{}')::numeric from ops.settings s where s.key = p_key);

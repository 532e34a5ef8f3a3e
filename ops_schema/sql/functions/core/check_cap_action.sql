-- Guard: action and grace_seconds of {action, grace_seconds}; either may be left out. Raises OPV01 below p_path.
create or replace function ops.check_cap_action(p_path text, p_cap text, p_value jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_action text  := p_value ->> 'action';
  v_grace  jsonb := nullif(p_value -> 'grace_seconds', 'null');
begin
  if v_action not in ('warn', 'cancel', 'kill', 'cut') then
    perform ops.invalid(p_path || '/action', 'must be warn, cancel, kill or cut');
  elsif v_action = 'cut' and p_cap <> 'log_bytes' then
    perform ops.invalid(p_path || '/action', 'only a log can be cut');
  elsif p_cap = 'queue_seconds' and (v_action <> 'cancel' or v_grace is not null) then
    perform ops.invalid(p_path || '/action', 'a run that waits too long ends: there is no other action, and no grace');
  elsif v_grace is not null and (jsonb_typeof(v_grace) <> 'number' or v_grace::text::numeric not between 0 and 3600) then
    perform ops.invalid(p_path || '/grace_seconds', 'must be a number from 0 to 3600');
  elsif v_grace::text::numeric > 0 and v_action <> 'cancel' then
    perform ops.invalid(p_path || '/grace_seconds', 'is for the action cancel');
  end if;
end
$$;

-- Guard: what a body gives for a cap: a number above 0, or {limit, action, grace_seconds}, of which the limit is
-- needed. A whole number for what is counted: executors hold these as integers of 64 bits. Raises OPV01 at p_path.
create or replace function ops.check_cap_value(p_path text, p_cap text, p_value jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_object boolean := jsonb_typeof(p_value) = 'object';
  v_limit  jsonb   := case when v_object then p_value -> 'limit' else p_value end;
  v_at     text    := p_path || case when v_object then '/limit' else '' end;
begin
  if not ops.cap_names() ? p_cap then
    perform ops.invalid(p_path, 'there is no such cap');
  elsif coalesce(jsonb_typeof(v_limit), '') <> 'number' or v_limit::text::numeric <= 0 then
    perform ops.invalid(v_at, 'must be a number above 0');
  elsif v_limit::text::numeric > 1e18 then
    perform ops.invalid(v_at, 'must be at most 1e18');
  elsif p_cap not in ('wall_seconds', 'queue_seconds', 'cpu_seconds', 'cost') and v_limit::text::numeric % 1 <> 0 then
    perform ops.invalid(v_at, 'must be a whole number');
  elsif v_object then
    perform ops.check_cap_action(p_path, p_cap, p_value);
  end if;
end
$$;

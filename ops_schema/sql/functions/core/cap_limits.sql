-- Of caps as a template or a submit gives them (a number, or {limit, action, grace_seconds}): {cap: limit} of those
-- that end something; those that only warn are left out.
create or replace function ops.cap_limits(p_caps jsonb) returns jsonb
language sql immutable parallel safe
return (
  select coalesce(jsonb_object_agg(c.key, case jsonb_typeof(c.value) when 'object' then c.value -> 'limit'
                                                              else c.value end), '{}')
    from jsonb_each(coalesce(nullif(p_caps, 'null'), '{}')) c
   where c.value ->> 'action' is distinct from 'warn');

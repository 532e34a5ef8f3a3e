-- Of caps as a template or a submit gives them: {cap: {action, grace_seconds, warn}}, what they say beside the limit
-- (warn: the limit at which is warned); null when they say nothing.
create or replace function ops.cap_rules(p_caps jsonb) returns jsonb
language sql immutable parallel safe
return (
  select jsonb_object_agg(x.key, x.rule)
    from (select c.key, case when c.value ->> 'action' = 'warn' then jsonb_build_object('warn', c.value -> 'limit')
                             else jsonb_strip_nulls(c.value - 'limit') end as rule
            from jsonb_each(coalesce(nullif(p_caps, 'null'), '{}')) c where jsonb_typeof(c.value) = 'object') x
   where x.rule <> '{}');

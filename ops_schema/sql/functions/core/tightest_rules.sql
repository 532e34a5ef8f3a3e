-- The tighter of two {cap: {action, grace_seconds, warn}}, member by member; see ops.effective_rules.
create or replace function ops.tightest_rules(p_one jsonb, p_other jsonb) returns jsonb
language sql immutable parallel safe
return (
  select coalesce(jsonb_object_agg(x.cap, x.rule), '{}') from (
    select o.key as cap, jsonb_strip_nulls(jsonb_build_object(
             'action', ('{cut,cancel,kill}'::text[])[max(ops.cap_strength(o.value ->> 'action'))],
             'grace_seconds', min((o.value ->> 'grace_seconds')::numeric),
             'warn', min((o.value ->> 'warn')::numeric))) as rule
      from (values (p_one), (p_other)) g (rules) cross join lateral jsonb_each(coalesce(g.rules, '{}')) o
     group by o.key) x);

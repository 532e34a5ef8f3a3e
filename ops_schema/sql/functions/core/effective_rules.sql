-- What holds beside the limits: for each cap the strongest action, the least grace and the least limit at which is
-- warned, of p_own (the run's or the template's own, and a second such) and of what the platform, the workspace and the
-- template are given. Who says no action leaves it to the others. Returns {cap: {action, grace_seconds, warn}}.
create or replace function ops.effective_rules(
  p_workspace text, p_template_name text, p_own jsonb, p_more jsonb default null)
returns jsonb
language sql stable
return (
  select coalesce(jsonb_object_agg(x.cap, x.rule), '{}') from (
    select y.cap, jsonb_strip_nulls(jsonb_build_object(
             'action', ('{cut,cancel,kill}'::text[])[max(ops.cap_strength(y.action))], 'grace_seconds', min(y.grace),
             'warn', min(y.warn))) as rule
      from (
        select o.key as cap, o.value ->> 'action' as action, (o.value ->> 'grace_seconds')::numeric as grace,
               (o.value ->> 'warn')::numeric as warn
          from (values (p_own), (p_more)) g (rules) cross join lateral jsonb_each(coalesce(g.rules, '{}')) o
        union all
        select c.cap, nullif(c.action, 'warn') as action, c.grace_seconds as grace,
               case c.action when 'warn' then c."limit" end as warn
          from ops.caps c
         where (c.action is not null or c.grace_seconds is not null)
           and (c.scope = 'platform'
                or (c.scope = 'workspace' and c.workspace = p_workspace)
                or (c.scope = 'template' and c.workspace = p_workspace and c.template_name = p_template_name))) y
     group by y.cap) x
   where x.rule <> '{}');

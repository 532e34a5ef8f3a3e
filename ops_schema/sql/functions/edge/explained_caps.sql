-- See ops.explain_caps: its `caps`. p_own: the caps of the template's version, as it gives them.
create or replace function ops.explained_caps(p_run ops.runs, p_own jsonb) returns jsonb
language sql stable set search_path = ''
as $$
  with given as (
    select c.cap, c."limit", c.scope || ' cap' as who, array_position('{platform,workspace,template}', c.scope) as wide,
           c.action, c.grace_seconds
      from ops.caps c
     where c.scope = 'platform' or (c.workspace = (p_run).workspace
           and (c.scope = 'workspace' or c.template_name = (p_run).template_name))
    union all
    select o.key, coalesce(o.value ->> 'limit', o.value #>> '{}')::numeric, 'template', 4, o.value ->> 'action',
           (o.value ->> 'grace_seconds')::numeric
      from jsonb_each(p_own) o
    union all
    select o.key, o.value::numeric, 'run', 5, (p_run).cap_rules #>> array[o.key, 'action'],
           ((p_run).cap_rules #>> array[o.key, 'grace_seconds'])::numeric
      from jsonb_each_text((p_run).caps) o
    union all
    select o.key, (o.value ->> 'warn')::numeric, 'run', 5, 'warn', null
      from jsonb_each(coalesce((p_run).cap_rules, '{}')) o where o.value ? 'warn'
  ), told as (
    -- a run has the caps of its submit's day on record: only what is tighter than all others, or no longer given, is its own
    select * from given g
     where g.wide < 5 or not exists (select from given o where o.cap = g.cap and o.wide < 5 and o."limit" <= g."limit"
                                        and (coalesce(o.action, '') = 'warn') = (coalesce(g.action, '') = 'warn'))
  ), found as (
    select t.cap, bool_or(t.action is distinct from 'warn') as ends,
           (array_agg(t."limit" order by t.action is not distinct from 'warn', t."limit", t.wide))[1] as "limit",
           (array_agg(t.who order by t.action is not distinct from 'warn', t."limit", t.wide))[1] as who,
           jsonb_agg(jsonb_build_object('given_by', t.who, 'limit', t."limit", 'action', t.action,
                                        'grace_seconds', t.grace_seconds) order by t.wide) as "values"
      from told t group by t.cap
  )
  select coalesce(jsonb_agg(jsonb_build_object('cap', x.cap, 'limit', case when x.ends then x."limit" end, 'given_by', x.who,
             'action', case when x.ends then coalesce(r.rules #>> array[x.cap, 'action'], 'cancel') end,
             'grace_seconds', r.rules #> array[x.cap, 'grace_seconds'], 'warn', r.rules #> array[x.cap, 'warn'],
             'values', x."values")
           order by array_position(array(select jsonb_array_elements_text(ops.cap_names())), x.cap)), '[]')
    from found x
   cross join (select ops.effective_rules((p_run).workspace, (p_run).template_name, (p_run).cap_rules) as rules) r
$$;

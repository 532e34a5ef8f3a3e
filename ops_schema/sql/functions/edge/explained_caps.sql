-- See ops.explain_caps: its `caps`. p_own: the caps of the template's version.
create or replace function ops.explained_caps(p_run ops.runs, p_own jsonb) returns jsonb
language sql stable set search_path = ''
as $$
  with given as (
    select c.cap, c."limit", c.scope || ' cap' as who, array_position('{platform,workspace,template}', c.scope) as wide
      from ops.caps c
     where c.scope = 'platform' or (c.workspace = (p_run).workspace
           and (c.scope = 'workspace' or c.template_name = (p_run).template_name))
    union all
    select o.key, o.value::numeric, 'template', 4 from jsonb_each_text(p_own) o
    union all
    select o.key, o.value::numeric, 'run', 5 from jsonb_each_text((p_run).caps) o
  ), told as (
    -- a run has the caps of its submit's day on record: only what is tighter than all others, or no longer given, is its own
    select * from given g
     where g.wide < 5 or not exists (select from given o where o.cap = g.cap and o.wide < 5 and o."limit" <= g."limit")
  )
  select coalesce(jsonb_agg(jsonb_build_object('cap', x.cap, 'limit', x.best[1], 'given_by', x.who[1], 'values', x.values)
                            order by array_position(array(select jsonb_array_elements_text(ops.cap_names())), x.cap)), '[]')
    from (select t.cap, array_agg(t."limit" order by t."limit", t.wide) as best,
                 array_agg(t.who order by t."limit", t.wide) as who,
                 jsonb_agg(jsonb_build_object('given_by', t.who, 'limit', t."limit") order by t.wide) as values
            from told t group by t.cap) x
$$;

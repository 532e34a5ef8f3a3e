-- The caps in force: for each cap the least of p_own (the run's or the template's own) and of what the platform, the
-- workspace and the template are given. Returns {cap: limit}; numbers. Those that only warn are left out.
create or replace function ops.effective_caps(p_workspace text, p_template_name text, p_own jsonb) returns jsonb
language sql stable
return (
  select coalesce(jsonb_object_agg(x.cap, x.least), '{}') from (
    select y.cap, min(y.value) as least from (
      select o.key as cap, o.value::numeric as value from jsonb_each_text(p_own) o
      union all
      select c.cap, c."limit" from ops.caps c
       where c.action is distinct from 'warn'
         and (c.scope = 'platform'
              or (c.scope = 'workspace' and c.workspace = p_workspace)
              or (c.scope = 'template' and c.workspace = p_workspace and c.template_name = p_template_name))) y
     group by y.cap) x);

-- For each cap the lesser of two: {cap: limit}; a cap that only one names is taken from there.
create or replace function ops.tightest(p_one jsonb, p_other jsonb) returns jsonb
language sql stable parallel safe
return (
  select coalesce(jsonb_object_agg(x.cap, x.least), '{}') from (
    select y.cap, min(y.value) as least from (
      select o.key as cap, o.value::numeric as value from jsonb_each_text(coalesce(nullif(p_one, 'null'), '{}')) o
      union all
      select o.key, o.value::numeric from jsonb_each_text(coalesce(nullif(p_other, 'null'), '{}')) o) y
     group by y.cap) x);

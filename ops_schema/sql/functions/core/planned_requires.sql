-- What a run requires of its executor, fixed at submit: what its template asks for, and the capability `publish` for
-- what goes beyond Delta tables, which every executor knows: formats of its outputs, and objects as its inputs.
create or replace function ops.planned_requires(p_spec jsonb) returns jsonb
language sql immutable set search_path = ''
as $$
  select case when f.formats is null then nullif(p_spec -> 'requires', 'null')
    else coalesce(nullif(p_spec -> 'requires', 'null'), '{}') || jsonb_build_object('capabilities',
           a.asked || jsonb_build_object('publish', coalesce(a.asked -> 'publish', '[]') || f.formats)) end
    from (select coalesce(nullif(p_spec #> '{requires,capabilities}', 'null'), '{}') as asked) a
   cross join (
     select jsonb_agg(x.format order by x.format) as formats from (
       select o ->> 'format' as format from jsonb_array_elements(coalesce(nullif(p_spec -> 'outputs', 'null'), '[]')) o
        where o ->> 'format' <> 'delta'
       union select 'object' from jsonb_array_elements(coalesce(nullif(p_spec -> 'inputs', 'null'), '[]')) i
        where i ->> 'kind' = 'object') x) f
$$;

-- Whether the outputs of a template are good as they stand, for any parameters: each by itself, and no two of them at
-- one address. See ops.planned_outputs.
create or replace function ops.has_fixed_outputs(p_outputs jsonb) returns boolean
language sql stable set search_path = ''
as $$
  select coalesce(bool_and(ops.output_wrong(coalesce(o ->> 'format', 'delta'), coalesce(o ->> 'mode', 'overwrite'),
                                            o ->> 'path') is null), true)
         and count(*) = count(distinct (coalesce(o ->> 'format', 'delta') = 'iceberg', o ->> 'path'))
    from jsonb_array_elements(coalesce(nullif(p_outputs, 'null'), '[]')) o
$$;

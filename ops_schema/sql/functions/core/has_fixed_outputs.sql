-- Whether the outputs of a template are good as they stand, for any parameters. See ops.planned_outputs.
create or replace function ops.has_fixed_outputs(p_outputs jsonb) returns boolean
language sql stable set search_path = ''
as $$
  select coalesce(bool_and(o ->> 'path' ~ '^[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*$'
                           and o ->> 'path' !~ '(^|/)(\.{1,2}|_delta_log)(/|$)'), true)
    from jsonb_array_elements(coalesce(nullif(p_outputs, 'null'), '[]')) o
$$;

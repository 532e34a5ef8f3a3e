-- The outputs of a run that does another again: of the same names, formats and modes, at places of its own, so that it
-- takes nothing from what is read. p_outputs: as ops.planned_outputs gives them.
create or replace function ops.outputs_beside(p_workspace text, p_outputs jsonb, p_run_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(o.value || jsonb_build_object('uri', ops.output_address(p_workspace, o.value ->> 'format',
      case o.value ->> 'format'
        when 'iceberg' then format('reproductions/r%s_%s', replace(p_run_id::text, '-', ''),
          left(regexp_replace(lower(o.value ->> 'name'), '[^a-z0-9_]', '_', 'g'), 29))
        else format('_reproductions/%s/%s', p_run_id, o.value ->> 'name') end)) order by o.n), '[]')
    from jsonb_array_elements(p_outputs) with ordinality o (value, n)
$$;

-- The data that a run left: committed publications, tables that its engine wrote, the first hundred of its files.
create or replace function ops.lineage_outputs(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce((select jsonb_agg(jsonb_build_object(
             'uri', case p.format when 'iceberg' then coalesce(p.location, p.uri) else p.uri end, 'format', p.format,
             'version', p.table_version, 'schema', p.schema, 'rows', p.rows,
             'files', jsonb_array_length(p.files),
             'size', (select sum((f ->> 'size')::numeric) from jsonb_array_elements(p.files) f)) order by p.output)
           from ops.publications p where p.run_id = (p_run).run_id and p.state = 'committed'), '[]')
      || coalesce((select jsonb_agg(jsonb_build_object(
             'uri', f.table_ref -> 'uri', 'format', f.table_ref -> 'format', 'version', f.table_ref -> 'version',
             'schema', f.metadata -> 'schema', 'rows', f.metadata -> 'rows', 'files', null, 'size', null) order by f.name)
           from ops.artifacts f
          where f.run_id = (p_run).run_id and f.state = 'visible' and f.table_ref is not null), '[]')
      || coalesce((select jsonb_agg(jsonb_build_object('sha256', f.sha256, 'name', f.name, 'size', f.size) order by f.name)
           from (select * from ops.artifacts x
                  where x.run_id = (p_run).run_id and x.state = 'visible' and x.kind in ('file', 'model')
                    and x.sha256 is not null order by x.name limit 100) f), '[]')
$$;

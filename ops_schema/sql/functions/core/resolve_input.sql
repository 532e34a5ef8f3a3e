-- One input of a run, from the output of one finished parent: a committed publication (its exact table version, 0
-- included, where its files lie; an object with its digest, since another run may replace it), else a visible artifact
-- of that name. A table that an engine wrote has its version behind its name (`catalog.schema.table@5`): asked for
-- without, it is the last one that the parent made. Of a parent that reused what another run left, that one's. Null
-- when the parent left nothing of that name.
create or replace function ops.resolve_input(p_name text, p_parent uuid, p_output text) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_found  jsonb;
  v_parent uuid := ops.worker_of(p_parent);
begin
  select jsonb_build_object('format', p.format, 'version', p.table_version,
                            'uri', case when p.format = 'iceberg' then p.location else p.uri end)
         || case when p.format = 'object'
                 then jsonb_build_object('kind', 'object', 'sha256', p.files #> '{0,sha256}',
                                         'size', p.files #> '{0,size}')
                 else '{"kind": "table"}' end
    into v_found from ops.publications p
   where p.run_id = v_parent and p.output = p_output and p.state = 'committed'
   order by p.epoch desc limit 1;
  if v_found is null then
    select case when a.table_ref is not null
                then jsonb_build_object('kind', 'table') || jsonb_build_object('format', a.table_ref -> 'format',
                       'uri', a.table_ref -> 'uri', 'version', a.table_ref -> 'version')
                else jsonb_build_object('kind', 'artifact', 'artifact_id', a.artifact_id,
                                         'sha256', a.sha256, 'size', a.size)
           end
      into v_found from ops.artifacts a
     where a.run_id = v_parent and a.state = 'visible'
       and a.name in (p_output, p_output || '@' || (a.table_ref ->> 'version'))
     order by a.epoch desc, a.name <> p_output, a.begun_at desc, a.artifact_id desc limit 1;
  end if;
  return '{"format": null, "uri": null, "version": null, "artifact_id": null, "sha256": null, "size": null}'::jsonb
         || jsonb_build_object('name', p_name, 'from_run_id', v_parent) || v_found;
end
$$;

-- Mutate: what an accepted success wants published, in the same transaction as the report. Each names a declared
-- output, once, as fixed at submit (ops.check_publication). Marker: app_id "<run_id>/<output>", app_version the epoch.
-- Raises OPV01.
create or replace function ops.record_publications(p_attempt ops.attempts, p_publications jsonb) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_run  ops.runs;
  v_item jsonb;
  v_seen text[] := '{}';
begin
  select * into v_run from ops.runs r where r.run_id = p_attempt.run_id;
  for v_item in select i from jsonb_array_elements(p_publications) i loop
    if v_item ->> 'output' = any (v_seen) then
      perform ops.invalid('/publications', format('output %s is named twice', v_item ->> 'output'));
    end if;
    perform ops.check_publication(v_run, v_item);
    v_seen := v_seen || (v_item ->> 'output');
    insert into ops.publications (run_id, epoch, output, format, mode, uri, files, schema, rows, partition_by,
        app_id, app_version, recorded_at)
    values (p_attempt.run_id, p_attempt.epoch, v_item ->> 'output', coalesce(v_item ->> 'format', 'delta'),
            v_item ->> 'mode', v_item ->> 'uri', v_item -> 'files', v_item -> 'schema', (v_item ->> 'rows')::bigint,
            coalesce(nullif(v_item -> 'partition_by', 'null'), '[]'), p_attempt.run_id || '/' || (v_item ->> 'output'),
            p_attempt.epoch, ops.now());
  end loop;
end
$$;

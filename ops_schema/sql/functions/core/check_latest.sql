-- Guard: the parameters of a rerun by the newest version were checked by that version. p_keep {task key: run_id}: tasks
-- that are not run again. Raises OPC12 {template, version, keep: [task key]}, which says by what to check them.
-- A template that became a pipeline, or is none any more, is another thing: OPV01.
create or replace function ops.check_latest(p_run ops.runs, p_template ops.templates, p_checked jsonb, p_keep jsonb)
returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if (p_run.kind = 'pipeline') <> (p_template.kind = 'pipeline') then
    perform ops.invalid('/template', format('template %s is of kind %s in version %s, run %s was of kind %s',
      p_template.name, p_template.kind, p_template.version, p_run.number, p_run.kind), 'Submit it anew.');
  elsif (p_checked ->> 'template_version')::int is distinct from p_template.version then
    perform ops.fail('OPC12', format('the parameters were not checked by version %s of template %s, the newest',
        p_template.version, p_template.name),
      jsonb_build_object('template', p_template.name, 'version', p_template.version,
                         'keep', array(select jsonb_object_keys(p_keep) order by 1)), 'Send it again.');
  end if;
end
$$;

-- What a template that says `reuse: same_inputs` calls the same: its version by digest (with the bundle in it), the
-- parameters, where outputs lie, and the inputs by what they are: a table's address and version, a file's digest.
create or replace function ops.reuse_key(p_run ops.runs) returns bytea
language sql stable
return ops.digest(jsonb_build_object(
  'workspace', (p_run).workspace,
  'template', (select t.digest from ops.templates t where t.template_id = (p_run).template_id),
  'params', (p_run).params,
  'outputs', (p_run).outputs,
  'inputs', (select coalesce(jsonb_agg(i.value - 'from_run_id' - 'artifact_id' order by i.value ->> 'name'), '[]')
               from jsonb_array_elements((p_run).inputs) i)));

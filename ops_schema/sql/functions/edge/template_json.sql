-- A template version.
create or replace function ops.template_json(p_template ops.templates) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'template_id', (p_template).template_id,
    'number', (p_template).number,
    'workspace', (p_template).workspace,
    'name', (p_template).name,
    'version', (p_template).version,
    'digest', (p_template).digest,
    'kind', (p_template).kind,
    'description', (p_template).description,
    'spec', (p_template).spec,
    'created_at', ops.iso((p_template).created_at))
$$;

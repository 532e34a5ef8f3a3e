-- The version of a template that a submit names, or its newest. Raises OPN02.
create or replace function ops.find_template(p_workspace text, p_name text, p_version int default null)
returns ops.templates
language plpgsql stable set search_path = ''
as $$
declare
  v_template ops.templates;
begin
  select * into v_template from ops.templates t
   where t.workspace = p_workspace and t.name = p_name and (p_version is null or t.version = p_version)
   order by t.version desc limit 1;
  if v_template.template_id is null then
    perform ops.fail('OPN02', format('workspace %s has no template %s', p_workspace,
        left(coalesce(p_name, '(none)'), 80) || coalesce(' version ' || p_version, '')),
      '{}', 'See `templates ls`; apply one with `templates apply`.');
  end if;
  return v_template;
end
$$;

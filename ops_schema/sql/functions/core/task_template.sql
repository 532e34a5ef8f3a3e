-- The template version of a task: the one pinned before (repair), else the one it names. Raises OPN02, OPV05.
create or replace function ops.task_template(p_workspace text, p_key text, p_task jsonb, p_template_id text)
returns ops.templates
language plpgsql stable set search_path = ''
as $$
declare
  v_template ops.templates;
begin
  if p_template_id is not null then
    select * into v_template from ops.templates t where t.template_id = p_template_id::uuid;
  else
    v_template := ops.find_template(p_workspace, p_task ->> 'template', (p_task ->> 'template_version')::int);
  end if;
  if v_template.kind = 'pipeline' then
    perform ops.fail('OPV05', format('task %s: a pipeline cannot be a task of a pipeline', p_key));
  end if;
  return v_template;
end
$$;

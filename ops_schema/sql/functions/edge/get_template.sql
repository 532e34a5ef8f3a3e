-- One template with its spec: the newest version unless one is named. Of several workspaces, unless one is named, the
-- default one's comes first.
create or replace function ops.get_template(p_token_id uuid, p_name text, p_version int, p_workspace text default null)
returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller   ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_template ops.templates;
begin
  select * into v_template from ops.templates t
   where t.name = p_name and (p_version is null or t.version = p_version) and ops.may_enter(v_caller, t.workspace)
     and (p_workspace is null or t.workspace = p_workspace)
   order by (t.workspace = 'default') desc, t.workspace, t.version desc limit 1;
  if v_template.template_id is null then
    perform ops.fail('OPN02',
      format('there is no template %L', p_name) || coalesce(format(' in version %s', p_version), ''),
      jsonb_build_object('template', p_name), 'See `control-room templates ls`.');
  end if;
  return ops.template_json(v_template) || jsonb_build_object('versions', (
    select jsonb_agg(t.version order by t.version) from ops.templates t
     where t.workspace = v_template.workspace and t.name = v_template.name));
end
$$;

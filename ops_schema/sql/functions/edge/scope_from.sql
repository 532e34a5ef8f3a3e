-- Whom {scope, scope_ref} of a body names, as a cap without cap and limit, when the caller may set caps and budgets
-- there: the platform's an operator of all workspaces, others an operator of the workspace. Raises OPU01, OPU02, OPN02,
-- OPN07, OPV01.
create or replace function ops.scope_from(p_token_id uuid, p_body jsonb) returns ops.caps
language plpgsql stable set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator']);
  v_ref    text       := p_body ->> 'scope_ref';
  v_scope  ops.caps;
begin
  v_scope.scope := coalesce(p_body ->> 'scope', '');
  if v_scope.scope not in ('platform', 'workspace', 'template') then
    perform ops.invalid('/scope', 'must be platform, workspace or template');
  elsif (v_scope.scope = 'platform') <> (v_ref is null) then
    perform ops.invalid('/scope_ref', 'names the workspace, or the template as workspace/template; none for platform');
  elsif v_scope.scope = 'platform' then
    perform ops.require_everywhere(p_token_id);
    return v_scope;
  end if;
  v_scope.workspace := split_part(v_ref, '/', 1);
  perform ops.check_workspace(v_caller, v_scope.workspace);
  if v_scope.scope = 'workspace' and v_ref <> v_scope.workspace then
    perform ops.invalid('/scope_ref', 'must be the name of a workspace');
  elsif v_scope.scope = 'template' then
    v_scope.template_name := (ops.find_template(v_scope.workspace, substr(v_ref, length(v_scope.workspace) + 2))).name;
  end if;
  return v_scope;
end
$$;

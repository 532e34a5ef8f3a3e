-- The cap that a body describes, not yet stored, when the caller may set it: the platform's for an operator of all
-- workspaces, others for an operator of the workspace. Raises OPU01, OPU02, OPN02, OPN07, OPV01.
create or replace function ops.cap_from(p_token_id uuid, p_body jsonb) returns ops.caps
language plpgsql stable set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator']);
  v_ref    text       := p_body ->> 'scope_ref';
  v_cap    ops.caps;
begin
  v_cap.scope := coalesce(p_body ->> 'scope', '');
  v_cap.cap := coalesce(p_body ->> 'cap', '');
  v_cap.updated_at := ops.now();
  if v_cap.scope not in ('platform', 'workspace', 'template') then
    perform ops.invalid('/scope', 'must be platform, workspace or template');
  elsif (v_cap.scope = 'platform') <> (v_ref is null) then
    perform ops.invalid('/scope_ref', 'names the workspace, or the template as workspace/template; none for platform');
  elsif not ops.cap_names() ? v_cap.cap then
    perform ops.invalid('/cap', 'must be one of ' || array_to_string(ops.text_array(ops.cap_names(), 'caps'), ', '));
  elsif coalesce(jsonb_typeof(p_body -> 'limit'), '') not in ('number', 'null')
        or (p_body ->> 'limit')::numeric not between 1 and 1e18 then
    perform ops.invalid('/limit', 'must be a number from 1, or null to remove the cap');
  elsif v_cap.cap not in ('wall_seconds', 'cpu_seconds') and (p_body ->> 'limit')::numeric % 1 <> 0 then
    perform ops.invalid('/limit', 'must be a whole number');
  end if;
  v_cap."limit" := (p_body ->> 'limit')::numeric;

  if v_cap.scope = 'platform' then
    perform ops.require_everywhere(p_token_id);
    return v_cap;
  end if;
  v_cap.workspace := split_part(v_ref, '/', 1);
  perform ops.check_workspace(v_caller, v_cap.workspace);
  if v_cap.scope = 'workspace' and v_ref <> v_cap.workspace then
    perform ops.invalid('/scope_ref', 'must be the name of a workspace');
  elsif v_cap.scope = 'template' then
    v_cap.template_name := (ops.find_template(v_cap.workspace, substr(v_ref, length(v_cap.workspace) + 2))).name;
  end if;
  return v_cap;
end
$$;

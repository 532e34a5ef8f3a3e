-- The workspaces that the caller may enter.
create or replace function ops.list_workspaces(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer', 'executor']);
begin
  return jsonb_build_object('items', coalesce((
    select jsonb_agg(jsonb_build_object('name', w.workspace, 'description', w.description,
             'created_at', ops.iso(w.created_at)) order by w.workspace)
      from ops.workspaces w where ops.may_enter(v_caller, w.workspace)), '[]'));
end
$$;

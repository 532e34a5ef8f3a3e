-- The newest version of each template that the caller may see, by name.
create or replace function ops.list_templates(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
begin
  return jsonb_build_object('items', coalesce((
    select jsonb_agg(ops.template_json(t) order by t.name, t.workspace)
      from ops.templates t
     where ops.may_enter(v_caller, t.workspace)
       and t.version = (select max(n.version) from ops.templates n
                         where n.workspace = t.workspace and n.name = t.name)),
    '[]'));
end
$$;

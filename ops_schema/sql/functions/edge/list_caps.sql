-- The caps in force by scope, and the latest enforcements, each with the number and the template of its run.
create or replace function ops.list_caps(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
begin
  return jsonb_build_object(
    'items', (select coalesce(jsonb_agg(ops.cap_json(c) order by
                       array_position('{platform,workspace,template}', c.scope), c.workspace, c.template_name, c.cap), '[]')
                from ops.caps c where c.workspace is null or ops.may_enter(v_caller, c.workspace)),
    'ledger', (select coalesce(jsonb_agg(ops.cap_entry_json(l.entry)
                        || jsonb_build_object('number', l.number, 'template_name', l.template_name)
                        order by (l.entry).entry_id desc), '[]')
                 from (select x as entry, r.number, r.template_name
                         from ops.cap_ledger x join ops.runs r on r.run_id = x.run_id
                        where ops.may_enter(v_caller, r.workspace) order by x.entry_id desc limit 100) l));
end
$$;

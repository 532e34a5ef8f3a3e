-- The caps in force by scope, and the latest enforcements.
create or replace function ops.list_caps(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
begin
  return jsonb_build_object(
    'items', (select coalesce(jsonb_agg(ops.cap_json(c) order by c.scope, c.workspace, c.template_name, c.cap), '[]')
                from ops.caps c where c.workspace is null or ops.may_enter(v_caller, c.workspace)),
    'ledger', (select coalesce(jsonb_agg(ops.cap_entry_json(l) order by l.entry_id desc), '[]')
                 from (select x.* from ops.cap_ledger x join ops.runs r on r.run_id = x.run_id
                        where ops.may_enter(v_caller, r.workspace) order by x.entry_id desc limit 100) l));
end
$$;

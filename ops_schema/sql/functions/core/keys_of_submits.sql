-- The concurrency keys that the submits of a batch bring; see ops.planned_keys. A member that is refused has none here
-- and is refused again, in its turn.
create or replace function ops.keys_of_submits(p_members jsonb) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_member   record;
  v_template ops.templates;
  v_keys     jsonb := '[]';
begin
  for v_member in
    select (m ->> 'token_id')::uuid as token_id, m -> 'body' as body,
           coalesce(m #>> '{body,workspace}', 'default') as workspace
      from jsonb_array_elements(p_members) m where jsonb_typeof(m -> 'body') = 'object'
  loop
    begin
      perform ops.check_workspace(ops.require(v_member.token_id, array['operator']), v_member.workspace);
      v_template := ops.find_template(v_member.workspace, v_member.body ->> 'template',
                                      (v_member.body ->> 'template_version')::int);
      v_keys := v_keys || ops.planned_keys(v_template, ops.checked_body(v_template, v_member.body),
        coalesce(v_member.body #> '{checked,tasks}', '{}'));
    exception when others then
      perform ops.refusal(sqlstate, sqlerrm, null, null);  -- raises again what is no refusal
    end;
  end loop;
  return v_keys;
end
$$;

-- The runs that the submits of a batch name as their parents and may see. A member that is refused has none here and is
-- refused again, in its turn.
create or replace function ops.parents_of_submits(p_members jsonb) returns uuid[]
language plpgsql stable set search_path = ''
as $$
declare
  v_member record;
  v_token  ops.tokens;
  v_runs   uuid[] := '{}';
begin
  for v_member in
    select (m ->> 'token_id')::uuid as token_id, m #> '{body,depends_on}' as depends_on
      from jsonb_array_elements(p_members) m where jsonb_typeof(m #> '{body,depends_on}') = 'array'
  loop
    begin
      v_token := ops.require(v_member.token_id, array['operator']);
      v_runs := v_runs || array(
        select (ops.find_parent(v_token, d ->> 'run')).run_id
          from jsonb_array_elements(v_member.depends_on) d where jsonb_typeof(d) = 'object');
    exception when others then
      perform ops.refusal(sqlstate, sqlerrm, null, null);  -- raises again what is no refusal
    end;
  end loop;
  return array_remove(v_runs, null);
end
$$;

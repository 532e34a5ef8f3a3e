-- One submit of a batch that is not plain, with its refusal as a value. `made`: the run, when it is new.
create or replace function ops.submit_guarded(
  p_token_id uuid, p_body jsonb, out code text, out detail text, out made uuid[])
language plpgsql volatile set search_path = ''
as $$
declare
  v_one     record;
  v_message text;
  v_members text;
  v_hint    text;
begin
  select * into v_one from ops.submit_one(ops.require(p_token_id, array['operator']), p_body);
  made := case when v_one.repeated then '{}' else array[v_one.run_id] end;
  detail := (select ops.submitted_answer(r.run_id, r.number, r.state, v_one.repeated) from ops.runs r
              where r.run_id = v_one.run_id);
exception when others then
  get stacked diagnostics code = returned_sqlstate, v_message = message_text, v_members = pg_exception_detail,
                          v_hint = pg_exception_hint;
  select r.p_code, r.detail into code, detail from ops.refusal(code, v_message, v_members, v_hint) r;
  made := '{}';
end
$$;

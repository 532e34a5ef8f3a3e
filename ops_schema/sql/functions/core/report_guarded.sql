-- One report of a batch that is not plain, with its refusal as a value. See ops.report_each.
create or replace function ops.report_guarded(
  p_token_id uuid, p_run_id uuid, p_body jsonb, p_artifacts uuid[], out code text, out detail text, out ended boolean)
language plpgsql volatile set search_path = ''
as $$
declare
  v_one     jsonb;
  v_message text;
  v_members text;
  v_hint    text;
begin
  begin
    v_one := ops.report_one(p_token_id, p_run_id, p_body, p_artifacts);
  exception when unique_violation then
    -- its key was on its way to the record in another transaction, and now is there: this time it is seen
    v_one := ops.report_one(p_token_id, p_run_id, p_body, p_artifacts);
  end;
  detail := v_one ->> 'detail';
  ended := (v_one ->> 'ended')::boolean;
exception when others then
  get stacked diagnostics code = returned_sqlstate, v_message = message_text, v_members = pg_exception_detail,
                          v_hint = pg_exception_hint;
  select r.p_code, r.detail into code, detail from ops.refusal(code, v_message, v_members, v_hint) r;
  ended := false;
end
$$;

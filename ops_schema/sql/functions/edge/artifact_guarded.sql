-- One member of a batch of artifacts, `record` or `begin`, with its refusal as a value. See ops.artifacts_each.
create or replace function ops.artifact_guarded(
  p_token_id uuid, p_run_id uuid, p_verb text, p_member jsonb, out code text, out detail text)
language plpgsql volatile set search_path = ''
as $$
declare
  v_message text;
  v_members text;
  v_hint    text;
begin
  detail := case p_verb
    when 'begin' then ops.begin_artifact(p_token_id, p_run_id, p_member)
    else ops.record_artifact(p_token_id, p_run_id, (p_member ->> 'artifact_id')::uuid, p_member) end::text;
exception when others then
  get stacked diagnostics code = returned_sqlstate, v_message = message_text, v_members = pg_exception_detail,
                          v_hint = pg_exception_hint;
  select r.p_code, r.detail into code, detail from ops.refusal(code, v_message, v_members, v_hint) r;
end
$$;

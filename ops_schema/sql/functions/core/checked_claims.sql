-- The claims of a batch that may go on, and the refusals of the others. Locks each request id until the transaction
-- ends, so that a claim that is sent twice at once waits for itself; one that comes twice in the batch is known by
-- `same_as`.
--   p_claims [{ordinal, token_id, executor_id, body}]
create or replace function ops.checked_claims(
  p_claims jsonb, out claims ops.member_claim[], out refusals ops.member_answer[])
language plpgsql volatile set search_path = ''
as $$
declare
  v_done    int[];
  v_claim   jsonb;
  v_code    text;
  v_message text;
  v_members text;
  v_hint    text;
begin
  claims := ops.plain_claims(p_claims);
  refusals := '{}';
  if cardinality(claims) = jsonb_array_length(p_claims) then
    return;
  end if;
  v_done := array(select c.ordinal from unnest(claims) c);
  for v_claim in select c from jsonb_array_elements(p_claims) c where (c ->> 'ordinal')::int <> all (v_done)
                  order by lower(c #>> '{body,request_id}'), (c ->> 'ordinal')::int
  loop
    begin
      claims := claims || ops.checked_claim(v_claim, claims);
    exception when others then
      get stacked diagnostics v_code = returned_sqlstate, v_message = message_text, v_members = pg_exception_detail,
                              v_hint = pg_exception_hint;
      refusals := refusals || (select row((v_claim ->> 'ordinal')::int, r.p_code, r.detail)::ops.member_answer
                                 from ops.refusal(v_code, v_message, v_members, v_hint) r);
    end;
  end loop;
end
$$;

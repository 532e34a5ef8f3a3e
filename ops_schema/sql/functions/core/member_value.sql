-- The answer of a batch's only member as a single verb gives it: its value, or its refusal raised.
create or replace function ops.member_value(p_answer ops.member_answer) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_detail jsonb := (p_answer).detail::jsonb;
begin
  if (p_answer).code is not null then
    perform ops.fail((p_answer).code, v_detail ->> 'message', v_detail -> 'members', v_detail ->> 'hint');
  end if;
  return v_detail;
end
$$;

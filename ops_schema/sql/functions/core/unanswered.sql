-- The members of a batch without an answer yet, in their order.
create or replace function ops.unanswered(p_members jsonb, p_answers ops.member_answer[]) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_done int[] := array(select a.ordinal from unnest(p_answers) a);
begin
  if cardinality(v_done) = 0 then
    return p_members;
  elsif cardinality(v_done) = jsonb_array_length(p_members) then
    return '[]';
  end if;
  return (select coalesce(jsonb_agg(m order by (m ->> 'ordinal')::int), '[]') from jsonb_array_elements(p_members) m
           where (m ->> 'ordinal')::int <> all (v_done));
end
$$;

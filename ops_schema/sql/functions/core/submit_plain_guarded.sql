-- ops.submit_plain; when one member's value breaks the statement for all (a time that is none), nothing of it remains,
-- and all are left to the one-by-one way, where that member fails alone.
create or replace function ops.submit_plain_guarded(
  p_members jsonb, out answers ops.member_answer[], out ready ops.ready_place[])
language plpgsql volatile set search_path = ''
as $$
begin
  select p.answers, p.ready into answers, ready from ops.submit_plain(p_members) p;
exception when data_exception or integrity_constraint_violation then
  answers := '{}';
  ready := '{}';
end
$$;

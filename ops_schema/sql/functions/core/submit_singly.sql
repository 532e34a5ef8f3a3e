-- Mutate and emit: the submits of a batch that are not plain, one by one, each refusal its member's own. Then all that
-- became ready is announced once: these runs, and what stands ready in p_ready.
create or replace function ops.submit_singly(p_members jsonb, p_ready ops.ready_place[])
returns ops.member_answer[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_member  jsonb;
  v_one     record;
  v_answers ops.member_answer[] := '{}';
  v_made    uuid[] := '{}';
begin
  if jsonb_array_length(p_members) > 1 then
    perform pg_advisory_xact_lock(k.lock) from (
      select distinct ops.dedupe_lock(m -> 'body') as lock from jsonb_array_elements(p_members) m
       where m #>> '{body,dedupe_key}' is not null order by 1) k;
    perform ops.lock_planned_keys(ops.keys_of_submits(p_members), false);
    perform from ops.runs r where r.run_id = any (ops.parents_of_submits(p_members)) order by r.run_id for share;
  end if;
  for v_member in select m from jsonb_array_elements(p_members) m order by (m ->> 'ordinal')::int loop
    v_one := ops.submit_guarded((v_member ->> 'token_id')::uuid, v_member -> 'body');
    v_answers := v_answers || row((v_member ->> 'ordinal')::int, v_one.code, v_one.detail)::ops.member_answer;
    v_made := v_made || v_one.made;
  end loop;
  perform ops.announce_all(v_made, p_ready);
  return v_answers;
end
$$;

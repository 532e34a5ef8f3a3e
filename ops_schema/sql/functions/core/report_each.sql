-- Report many attempts: one statement for the plain successes, one by one for the rest; a refusal is its member's own.
--   p_reports [{ordinal, token_id, run_id, body, artifacts?}]; ordinals differ; body as for ops.report_attempt
-- Returns the answers, in no order, and the runs that ended, which the caller settles once for all. All runs are
-- locked first, in run-id order, then their leases, then idempotency keys. Raises only what no member is to blame for.
create or replace function ops.report_each(
  p_reports jsonb, out answers ops.member_answer[], out ended uuid[])
language plpgsql volatile set search_path = ''
as $$
declare
  v_member record;
  v_one    record;
  v_plain  record;
  v_done   int[];
begin
  perform from ops.runs r
    where r.run_id = any (array(select (m ->> 'run_id')::uuid from jsonb_array_elements(p_reports) m))
    order by r.run_id for update;
  -- in the order in which heartbeats lock them
  perform from ops.leases l
    where l.run_id = any (array(select (m ->> 'run_id')::uuid from jsonb_array_elements(p_reports) m))
    order by l.run_id for update;
  begin
    v_plain := ops.report_plain(p_reports);
    answers := v_plain.answers;
    ended := v_plain.ended;
  exception when unique_violation then
    -- a key that another transaction used in this moment: one by one each is told what is on record
    answers := '{}';
    ended := '{}';
  end;
  if cardinality(ended) = jsonb_array_length(p_reports) then
    return;
  end if;

  v_done := array(select a.ordinal from unnest(answers) a);
  -- in one order, so that two batches with the same keys take turns
  perform pg_advisory_xact_lock(k.lock)
     from (select distinct ops.report_lock((m ->> 'run_id')::uuid, m -> 'body') as lock
             from jsonb_array_elements(p_reports) m where (m ->> 'ordinal')::int <> all (v_done) order by 1) k;
  for v_member in
    select (m ->> 'ordinal')::int as ordinal, (m ->> 'token_id')::uuid as token_id, (m ->> 'run_id')::uuid as run_id,
           m -> 'body' as body,
           array(select jsonb_array_elements_text(coalesce(m -> 'artifacts', '[]'))::uuid) as artifacts
      from jsonb_array_elements(p_reports) m where (m ->> 'ordinal')::int <> all (v_done) order by 3, 1
  loop
    v_one := ops.report_guarded(v_member.token_id, v_member.run_id, v_member.body, v_member.artifacts);
    answers := answers || row(v_member.ordinal, v_one.code, v_one.detail)::ops.member_answer;
    if v_one.ended then
      ended := ended || v_member.run_id;
    end if;
  end loop;
end
$$;

-- One report, all kinds: {detail: the answer, ended: whether the run reached a final state}. The caller settles it.
-- Raises as ops.report_attempt does.
-- p_artifacts: artifacts of the attempt that are recorded first; the server has seen their bytes.
create or replace function ops.report_one(
  p_token_id uuid, p_run_id uuid, p_body jsonb, p_artifacts uuid[] default '{}')
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_token   ops.tokens := ops.require(p_token_id, array['executor']);
  v_epoch   bigint;
  v_attempt ops.attempts;
  v_route   jsonb;
begin
  perform ops.check_report(p_body);
  v_epoch := ops.body_epoch(p_body);
  perform pg_advisory_xact_lock(ops.report_lock(p_run_id, p_body));  -- ops.report_each has it already
  perform from ops.runs r where r.run_id = p_run_id for update;

  perform ops.check_attempt_owner(v_token, p_run_id, v_epoch);
  select * into v_attempt from ops.attempts a where a.run_id = p_run_id and a.epoch = v_epoch;
  if v_attempt.reported_at is not null then
    return jsonb_build_object('detail', ops.repeated_report(v_attempt, p_body), 'ended', false);
  end if;
  if not exists (select from ops.leases l where l.run_id = p_run_id and l.epoch = v_epoch) then
    perform ops.lease_lost(p_run_id, v_epoch);
  end if;
  perform ops.record_artifact(p_token_id, p_run_id, a, jsonb_build_object('epoch', v_epoch)) from unnest(p_artifacts) a;
  perform ops.check_report_key(v_attempt, p_body ->> 'idempotency_key');

  v_attempt := ops.close_attempt(v_attempt, p_body);
  v_route := ops.follow_report(v_attempt, p_body);
  return jsonb_build_object('detail', ops.record_answer(v_attempt, v_route - 'ended'), 'ended', v_route -> 'ended');
end
$$;

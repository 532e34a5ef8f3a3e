-- Report: the one terminal message of an attempt, and the route taken. Identity is (run, epoch): the same outcome again
-- is answered as the first time, with repeated = true (a differing body is noted as an event, never merged).
-- A success with publications leaves the run running, state_reason publishing, until ops.publish has seen them all.
-- Returns {run_id, epoch, attempt, outcome, repeated, run_state, route, publications}.
-- Raises OPU01, OPU02, OPN01, OPV01, OPC01 (stale epoch), OPC02 (another outcome is on record), OPC03 (the key reported
-- another attempt).
create or replace function ops.report_attempt(p_token_id uuid, p_run_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token   ops.tokens := ops.require(p_token_id, array['executor']);
  v_epoch   bigint;
  v_attempt ops.attempts;
  v_route   jsonb;
begin
  perform ops.check_report(p_body);
  v_epoch := ops.body_epoch(p_body);
  perform pg_advisory_xact_lock(hashtextextended('ops.report:' || (p_body ->> 'idempotency_key'), 0));
  perform from ops.runs r where r.run_id = p_run_id for update;

  perform ops.check_attempt_owner(v_token, p_run_id, v_epoch);
  select * into v_attempt from ops.attempts a where a.run_id = p_run_id and a.epoch = v_epoch;
  if v_attempt.reported_at is not null then
    return ops.repeated_report(v_attempt, p_body);
  end if;
  if not exists (select from ops.leases l where l.run_id = p_run_id and l.epoch = v_epoch) then
    perform ops.lease_lost(p_run_id, v_epoch);
  end if;
  perform ops.check_report_key(v_attempt, p_body ->> 'idempotency_key');

  v_attempt := ops.close_attempt(v_attempt, p_body);
  v_route := ops.follow_report(v_attempt, p_body);
  return ops.record_answer(v_attempt, v_route);
end
$$;

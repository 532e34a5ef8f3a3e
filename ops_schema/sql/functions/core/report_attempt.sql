-- Report: the one terminal message of an attempt, and the route taken. Identity is (run, epoch): the same outcome again
-- is answered as the first time, with repeated = true (a differing body is noted as an event, never merged).
-- A success with publications leaves the run running, state_reason publishing, until ops.publish has seen them all.
-- Returns {run_id, epoch, attempt, outcome, repeated, run_state, route, publications}.
-- Raises OPU01, OPU02, OPN01, OPV01, OPC01 (stale epoch), OPC02 (another outcome is on record), OPC03 (the key reported
-- another attempt).
-- One member of ops.exchange_each.
create or replace function ops.report_attempt(p_token_id uuid, p_run_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
begin
  return ops.member_value((select e from ops.exchange_each(jsonb_build_array(jsonb_build_object(
    'ordinal', 0, 'token_id', p_token_id, 'run_id', p_run_id, 'body', p_body)), '[]') e where e.ordinal = 0));
end
$$;

-- Report: the one terminal message of an attempt, and the route taken. Identity is (run, epoch): the same outcome again
-- is answered as the first time, with repeated = true (a differing body is noted as an event, never merged).
-- A success with publications leaves the run running, state_reason publishing, until ops.publish has seen them all.
-- Returns {run_id, epoch, attempt, outcome, repeated, run_state, route, publications}.
-- Raises OPU01, OPU02, OPN01, OPV01, OPC01 (stale epoch), OPC02 (another outcome is on record), OPC03 (the key reported
-- another attempt).
create or replace function ops.report_attempt(p_token_id uuid, p_run_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
  set plan_cache_mode = force_generic_plan set enable_seqscan = off
  set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_one jsonb := ops.report_one(p_token_id, p_run_id, p_body);
begin
  if (v_one ->> 'ended')::boolean then
    perform ops.settle(array[p_run_id], 'executor');
  end if;
  return v_one -> 'detail';
end
$$;

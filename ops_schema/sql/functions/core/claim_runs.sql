-- Claim: give up to max_runs ready runs to an executor, each with a new epoch and a lease. Answers at once.
--   p_body {request_id, max_runs 1..100, queues [..]|null}  (wait_seconds is the server's)
-- Returns {runs: [ClaimedRun], server_time}. The same request_id and body again: the same runs and epochs, minus those
-- revoked since. An empty answer is not remembered, so a waiting server may ask again with the same id.
-- Raises OPU01, OPU02, OPN03, OPC09, OPV01, OPC06 (the id came with another body).
create or replace function ops.claim_runs(p_token_id uuid, p_executor_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_claim ops.member_claim;
begin
  perform ops.pass_gate();
  v_claim := ops.checked_claim(jsonb_build_object(
    'ordinal', 0, 'token_id', p_token_id, 'executor_id', p_executor_id, 'body', p_body));
  perform ops.promote_ready(100, 'claim');
  perform ops.lock_keys_ahead(array[v_claim]);
  return (ops.carry_claims(array[v_claim]))[1].detail::jsonb;
end
$$;

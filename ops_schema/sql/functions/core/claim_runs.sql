-- Claim: give up to max_runs ready runs to an executor, each with a new epoch and a lease. Answers at once.
--   p_body {request_id, max_runs 1..100, queues [..]|null}  (wait_seconds is the server's)
-- Returns {runs: [ClaimedRun], server_time}. The same request_id and body again: the same runs and epochs, minus those
-- revoked since. An empty answer is not remembered, so a waiting server may ask again with the same id.
-- One member of ops.exchange_each. Raises OPU01, OPU02, OPN03, OPC09, OPV01, OPC06 (the id came with another body).
create or replace function ops.claim_runs(p_token_id uuid, p_executor_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
begin
  return ops.member_value((select e from ops.exchange_each('[]', jsonb_build_array(jsonb_build_object(
    'ordinal', 0, 'token_id', p_token_id, 'executor_id', p_executor_id, 'body', p_body))) e where e.ordinal = 0));
end
$$;

-- Claim: give up to max_runs ready runs to an executor, each with a new epoch and a lease. Answers at once.
--   p_body {request_id, max_runs 1..100, queues [..]|null}  (wait_seconds is the server's)
-- Returns {runs: [ClaimedRun], server_time}. The same request_id and body again: the same runs and epochs, minus those
-- revoked since. An empty answer is not remembered, so a waiting server may ask again with the same id.
-- Raises OPU01, OPU02, OPN03, OPC09, OPV01, OPC06 (the id came with another body).
create or replace function ops.claim_runs(p_token_id uuid, p_executor_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_executor ops.executors := ops.own_executor(p_token_id, p_executor_id);
  v_request  ops.claim_requests;
  v_run_ids  uuid[];
begin
  perform ops.check_claim(p_body);
  v_request := ops.repeated_claim(v_executor, p_body);
  if v_request.runs is null and v_executor.state = 'active' then
    perform ops.promote_ready(100, 'claim');
    v_run_ids := ops.pick_runs(v_executor, ops.claim_queues(p_body), (p_body ->> 'max_runs')::int);
    v_request.runs := ops.start_runs(v_run_ids, v_executor);
    if cardinality(v_run_ids) > 0 then
      insert into ops.claim_requests (executor_id, request_id, body_digest, runs, created_at)
      values (v_executor.executor_id, v_request.request_id, v_request.body_digest, v_request.runs, ops.now());
    end if;
  end if;
  update ops.executors set last_seen_at = ops.now()
   where executor_id = p_executor_id and last_seen_at < ops.now() - interval '5 seconds';
  return jsonb_build_object('runs', ops.claimed_runs(p_executor_id, coalesce(v_request.runs, '[]')),
                            'server_time', ops.iso(ops.now()));
end
$$;

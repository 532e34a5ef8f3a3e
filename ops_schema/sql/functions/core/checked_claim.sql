-- Guard and lock: one claim, see ops.checked_claims. Raises OPU01, OPU02, OPN03, OPC09, OPV01, OPC06.
create or replace function ops.checked_claim(p_claim jsonb) returns ops.member_claim
language plpgsql volatile set search_path = ''
as $$
declare
  v_body     jsonb := p_claim -> 'body';
  v_executor ops.executors := ops.own_executor((p_claim ->> 'token_id')::uuid, (p_claim ->> 'executor_id')::uuid);
  v_request  ops.claim_requests;
begin
  perform ops.check_claim(v_body);
  v_request := ops.repeated_claim(v_executor, v_body);
  if v_request.runs is null and v_executor.state <> 'active' then
    v_request.runs := '[]';
  end if;
  return row((p_claim ->> 'ordinal')::int, v_executor.executor_id, v_request.request_id, v_request.body_digest,
             (v_body ->> 'max_runs')::int, ops.claim_queues(v_body), ops.claim_filter(v_executor, v_body),
             v_request.runs);
end
$$;

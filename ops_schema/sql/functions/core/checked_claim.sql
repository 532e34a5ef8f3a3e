-- Guard and lock: one claim, see ops.checked_claims. Raises OPU01, OPU02, OPN03, OPC09, OPV01, OPC06.
-- p_before: the claims of the batch that were checked already.
create or replace function ops.checked_claim(p_claim jsonb, p_before ops.member_claim[] default '{}')
returns ops.member_claim
language plpgsql volatile set search_path = ''
as $$
declare
  v_body     jsonb := p_claim -> 'body';
  v_executor ops.executors := ops.own_executor((p_claim ->> 'token_id')::uuid, (p_claim ->> 'executor_id')::uuid);
  v_request  ops.claim_requests;
  v_same     ops.member_claim;
begin
  perform ops.check_claim(v_body);
  v_request := ops.repeated_claim(v_executor, v_body);
  if v_request.runs is null and v_executor.state <> 'active' then
    v_request.runs := '[]';
  end if;
  select b.* into v_same from unnest(p_before) b
   where b.executor_id = v_executor.executor_id and b.request_id = v_request.request_id limit 1;
  if v_same.body_digest <> v_request.body_digest then
    perform ops.request_id_conflict(v_request.request_id);
  end if;
  return row((p_claim ->> 'ordinal')::int, v_executor.executor_id, v_request.request_id, v_request.body_digest,
             (v_body ->> 'max_runs')::int, ops.claim_queues(v_body), ops.claim_filter(v_executor, v_body),
             v_request.runs, coalesce(v_same.ordinal, (p_claim ->> 'ordinal')::int));
end
$$;

-- What decides which runs an executor's claims can have: {kind, filter}; claims of one filter are alike but for their
-- queues. Null when this token registered no such executor. Raises OPU01, OPU02.
create or replace function ops.claim_profile(p_token_id uuid, p_executor_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_token ops.tokens := ops.require(p_token_id, array['executor']);
begin
  return (
    select jsonb_build_object('kind', e.kind, 'filter', encode(ops.claim_filter(e, '{}'), 'hex'))
      from ops.executors e where e.executor_id = p_executor_id and e.token_id = v_token.token_id);
end
$$;

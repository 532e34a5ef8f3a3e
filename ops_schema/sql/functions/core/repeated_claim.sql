-- Lock this request id for the transaction and read what it was answered before; `runs` is null when it is new.
-- Raises OPC06 when the id came with another body.
create or replace function ops.repeated_claim(p_executor ops.executors, p_body jsonb) returns ops.claim_requests
language plpgsql volatile set search_path = ''
as $$
declare
  v_request ops.claim_requests;
  v_digest  bytea := ops.claim_digest(p_body);
begin
  perform pg_advisory_xact_lock(ops.request_lock(p_body ->> 'request_id'));
  select * into v_request from ops.claim_requests c
   where c.executor_id = p_executor.executor_id and c.request_id = (p_body ->> 'request_id')::uuid;
  if v_request.body_digest <> v_digest then
    perform ops.request_id_conflict((p_body ->> 'request_id')::uuid);
  end if;
  v_request.request_id := (p_body ->> 'request_id')::uuid;
  v_request.body_digest := v_digest;
  return v_request;
end
$$;

-- The run that this idempotency key made before, or was answered with, or null. Raises OPC03 when the key came with
-- another body.
--
-- Requests that answer a key without making a run (p_alone) go one at a time in a workspace and never beside a submit;
-- submits go beside each other, and the index on their keys keeps them apart.
create or replace function ops.repeated_submit(
  p_workspace text, p_key text, p_digest bytea, p_alone boolean default true)
returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_run_id uuid;
  v_number bigint;
  v_digest bytea;
begin
  if p_key is null then
    return null;
  end if;
  perform ops.lock_request_keys(p_workspace, p_alone);
  select r.run_id, r.number, x.request_digest into v_run_id, v_number, v_digest
    from (select s.run_id, s.request_digest from ops.runs s
           where s.workspace = p_workspace and s.idempotency_key = p_key
          union all
          select q.run_id, q.request_digest from ops.retry_requests q
           where q.workspace = p_workspace and q.idempotency_key = p_key) x
    join ops.runs r on r.run_id = x.run_id;
  if v_digest <> p_digest then
    perform ops.fail('OPC03', format('idempotency key %s was used with another body, for run %s', p_key, v_number),
      jsonb_build_object('run_id', v_run_id, 'number', v_number), 'Use a new key for a new request.');
  end if;
  return v_run_id;
end
$$;

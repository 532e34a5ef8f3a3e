-- The run that this idempotency key made before, or null. Two submits with one key at once take turns.
-- Raises OPC03 when it was made from another body.
create or replace function ops.repeated_submit(p_workspace text, p_key text, p_digest bytea) returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_run ops.runs;
begin
  if p_key is null then
    return null;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('ops.submit:' || p_workspace || '/' || p_key, 0));
  select * into v_run from ops.runs r where r.workspace = p_workspace and r.idempotency_key = p_key;
  if v_run.request_digest <> p_digest then
    perform ops.fail('OPC03', format('idempotency key %s made run %s from another body', p_key, v_run.number),
      jsonb_build_object('run_id', v_run.run_id, 'number', v_run.number), 'Use a new key for a new request.');
  end if;
  return v_run.run_id;
end
$$;

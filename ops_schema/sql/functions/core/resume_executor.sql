-- Resume a paused executor: it gets runs again.
-- Repeating it is no error.  p_body {reason?}
-- Returns the Executor. Raises OPU01, OPU02, OPN03, OPC05, OPC09, OPV01; see ops.steer_executor.
create or replace function ops.resume_executor(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
begin
  return ops.steer_executor(p_token_id, p_ref, 'active', p_body);
end
$$;

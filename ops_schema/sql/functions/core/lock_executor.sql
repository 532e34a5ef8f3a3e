-- Guard and lock: the executor behind a reference, one that the operator may steer; see ops.find_executor. What the
-- token may not steer is never locked. Raises OPN03, OPU02, OPC09 (it has left).
create or replace function ops.lock_executor(p_token ops.tokens, p_ref text) returns ops.executors
language plpgsql volatile set search_path = ''
as $$
declare
  v_executor ops.executors := ops.find_executor(p_token, p_ref);
begin
  perform from ops.executors e where e.executor_id = v_executor.executor_id for update;
  return ops.find_executor(p_token, p_ref);  -- as it stands now
end
$$;

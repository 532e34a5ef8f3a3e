-- Mutate: bring an executor into the state active, paused or draining; the same state again changes nothing. When this
-- has answered, an executor that is not active starts no run any more. Returns the Executor.
-- Raises OPU01, OPU02, OPN03, OPC05 (it drains: that cannot be undone), OPC09 (it has left), OPV01.
create or replace function ops.steer_executor(p_token_id uuid, p_ref text, p_state text, p_body jsonb) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_token    ops.tokens := ops.require(p_token_id, array['operator']);
  v_reason   text       := ops.checked_reason(p_body);
  v_executor ops.executors;
begin
  if p_state <> 'active' then
    perform ops.find_executor(v_token, p_ref);  -- the gate closes for nobody who may not
    perform ops.close_gate();
  end if;
  v_executor := ops.lock_executor(v_token, p_ref);
  if v_executor.state = 'draining' and p_state <> 'draining' then
    perform ops.fail('OPC05', format('executor %s drains and will leave', v_executor.number),
      jsonb_build_object('state', v_executor.state), 'Start another one.');
  elsif v_executor.state <> p_state then
    update ops.executors set state = p_state, state_at = ops.now(), state_by = v_token.name, state_reason = v_reason
     where executor_id = v_executor.executor_id returning * into v_executor;
    if p_state = 'draining' then
      perform ops.tell_orders(array[v_executor.executor_id]);
    elsif p_state = 'active' then
      perform ops.notify_ready(null);  -- which of the claims that wait is its own, nobody here knows
    end if;
  end if;
  return ops.executor_json(v_executor, v_token.workspaces);
end
$$;

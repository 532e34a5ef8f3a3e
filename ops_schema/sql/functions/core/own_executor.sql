-- Guard: the executor, when the caller's token registered it. Raises OPU01, OPU02, OPN03, OPC09 (it has left).
create or replace function ops.own_executor(p_token_id uuid, p_executor_id uuid) returns ops.executors
language plpgsql stable set search_path = ''
as $$
declare
  v_token    ops.tokens := ops.require(p_token_id, array['executor']);
  v_executor ops.executors;
begin
  select * into v_executor from ops.executors e where e.executor_id = p_executor_id;
  if v_executor.executor_id is null then
    perform ops.fail('OPN03', format('there is no executor %s', p_executor_id), '{}', 'Register first.');
  end if;
  if v_executor.token_id <> v_token.token_id then
    perform ops.fail('OPU02', format('executor %s was registered with another token', p_executor_id));
  end if;
  if v_executor.state = 'left' then
    perform ops.fail('OPC09', format('executor %s has left', p_executor_id),
                     jsonb_build_object('left_at', ops.iso(v_executor.left_at)), 'Register again.');
  end if;
  return v_executor;
end
$$;

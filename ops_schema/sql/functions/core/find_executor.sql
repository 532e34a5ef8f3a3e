-- Guard: the executor behind a reference (executor_id or number), one that the operator may steer: all its workspaces
-- must be open to the token. Locks nothing. Raises OPN03, OPU02, OPC09 (it has left).
create or replace function ops.find_executor(p_token ops.tokens, p_ref text) returns ops.executors
language plpgsql volatile set search_path = ''
as $$
declare
  v_executor ops.executors;
begin
  if p_ref ~ '^[0-9]{1,18}$' then
    select * into v_executor from ops.executors e where e.number = p_ref::bigint;
  elsif p_ref ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    select * into v_executor from ops.executors e where e.executor_id = p_ref::uuid;
  end if;
  if v_executor.executor_id is null then
    perform ops.fail('OPN03', format('there is no executor %s', left(p_ref, 80)), '{}',
                     'Give an executor_id or a number, as `executors ls` shows them.');
  elsif not ops.opens_executor(p_token.workspaces, v_executor) then
    perform ops.fail('OPU02', format('executor %s works in workspaces that token %s does not open', v_executor.number,
        p_token.name), jsonb_build_object('workspaces', p_token.workspaces), 'Use a token that opens them all.');
  elsif v_executor.state = 'left' then
    perform ops.fail('OPC09', format('executor %s has left', v_executor.number),
                     jsonb_build_object('left_at', ops.iso(v_executor.left_at)), 'See `control-room executors ls`.');
  end if;
  return v_executor;
end
$$;

-- leaveExecutor: the process has drained and goes. Leases it still holds are left to expire. Repeating is no error.
create or replace function ops.leave_executor(p_token_id uuid, p_executor_id uuid) returns jsonb
language plpgsql security definer set search_path = ''
as $$
begin
  perform ops.require(p_token_id, array['executor']);
  update ops.executors e
     set state = 'left', left_at = coalesce(e.left_at, ops.now()), last_seen_at = ops.now()
   where e.executor_id = p_executor_id and e.token_id = p_token_id;
  if not found then
    perform ops.fail('OPN03', format('no executor %s is registered with this token', p_executor_id),
      jsonb_build_object('executor_id', p_executor_id), 'Register first.');
  end if;
  return '{}';
end
$$;

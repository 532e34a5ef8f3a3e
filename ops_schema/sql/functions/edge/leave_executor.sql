-- leaveExecutor: the process has drained and goes. What it still holds and has not reported it gives back: the epoch
-- rises, the attempt is expired, and the run is routed at once. That is nobody's failure: it counts neither as an
-- expiration nor as one of the run's attempts. A run whose rerun is unsafe waits for a person, one that was to be
-- cancelled is cancelled; one whose report was accepted is left to the reactor. Whatever the executor still sends of
-- them is refused. Repeating is no error.
--
-- It does not close the claims' gate (it waits for runs, see adr/0007): a claim of this same executor that is under way
-- keeps what it brings until that lease ends. The executor's row is locked last: heartbeats lock leases before it.
-- Raises OPU01, OPU02, OPN03.
create or replace function ops.leave_executor(p_token_id uuid, p_executor_id uuid) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_held uuid[];
begin
  perform ops.require(p_token_id, array['executor']);
  if not exists (select from ops.executors e where e.executor_id = p_executor_id and e.token_id = p_token_id) then
    perform ops.fail('OPN03', format('no executor %s is registered with this token', p_executor_id),
      jsonb_build_object('executor_id', p_executor_id), 'Register first.');
  end if;
  v_held := ops.lock_held(p_executor_id);

  perform ops.gather_ready(true);
  perform ops.sweep_each(array_fill('release_one'::text, array[cardinality(v_held)]), v_held,
                         ops.executor_actor(p_executor_id));
  update ops.executors e
     set state = 'left', left_at = coalesce(e.left_at, ops.now()), last_seen_at = ops.now()
   where e.executor_id = p_executor_id;
  perform ops.notify_gathered();
  return '{}';
end
$$;

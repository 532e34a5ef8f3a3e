-- Mutate and emit: a run reaches a final state. The caller holds the run's lock and calls ops.settle afterwards, once
-- for all the runs that it finished. p_told: what the event says beside the error. Deletes the lease; what it measured
-- moves to the run.
create or replace function ops.finish_run(
  p_run_id uuid, p_state text, p_reason text, p_actor text, p_error jsonb default null, p_result jsonb default null,
  p_told jsonb default '{}')
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_lease ops.leases;
begin
  delete from ops.leases where run_id = p_run_id returning * into v_lease;
  if v_lease.concurrency_key is not null then
    perform ops.announce_freed(array[ops.key_of(v_lease.workspace, v_lease.concurrency_key)]);
  end if;
  update ops.runs set
    state = p_state, state_reason = p_reason, ready_seq = null, finished_at = ops.now(), error = p_error,
    result = p_result, progress = coalesce(v_lease.progress, progress),
    usage = usage || coalesce(v_lease.usage, '{}') ||
            coalesce((select a.usage from ops.attempts a where a.run_id = p_run_id and a.epoch = v_lease.epoch), '{}')
   where run_id = p_run_id;
  perform ops.emit(p_run_id, 'run.' || p_state, null, p_actor,
                   p_told || case when p_error is null then '{}'
                                  else jsonb_build_object('error', p_error - 'trace') end);
end
$$;

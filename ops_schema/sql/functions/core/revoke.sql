-- Mutate and emit: take the lease of a running run away for good: the epoch rises, the attempt and the run are
-- cancelled. The caller holds the run's lock and settles it.
create or replace function ops.revoke(p_run ops.runs, p_actor text) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  update ops.attempts set outcome = 'cancelled', finished_at = ops.now(),
    (usage, metrics) = (select coalesce(l.usage, '{}'), l.metrics from ops.leases l where l.run_id = p_run.run_id)
   where run_id = p_run.run_id and epoch = p_run.epoch and outcome = 'running';
  update ops.artifacts set state = 'orphaned', orphaned_at = ops.now()
   where run_id = p_run.run_id and epoch = p_run.epoch and state in ('begun', 'recorded');
  update ops.runs set epoch = epoch + 1 where run_id = p_run.run_id;
  perform ops.finish_run(p_run.run_id, 'cancelled', 'revoked', p_actor);
end
$$;

-- The attempts of a run, oldest first. Usage and metrics of the one at work stand on its lease.
create or replace function ops.run_attempts(p_run_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
      'epoch', a.epoch,
      'attempt', a.attempt,
      'executor_id', a.executor_id,
      'executor_name', e.name,
      'executor_number', e.number,
      'outcome', a.outcome,
      'started_at', ops.iso(a.started_at),
      'finished_at', ops.iso(a.finished_at),
      'reported_at', ops.iso(a.reported_at),
      'result', a.result,
      'error', a.error,
      'usage', coalesce(l.usage, '{}') || a.usage,
      'timings', a.timings,
      'metrics', coalesce(a.metrics, l.metrics, '{}')) order by a.epoch), '[]')
    from ops.attempts a
    left join ops.executors e on e.executor_id = a.executor_id
    left join ops.leases l on l.run_id = a.run_id and l.epoch = a.epoch
   where a.run_id = p_run_id
$$;

-- The attempts of a run, oldest first.
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
      'usage', a.usage) order by a.epoch), '[]')
    from ops.attempts a
    left join ops.executors e on e.executor_id = a.executor_id
   where a.run_id = p_run_id
$$;

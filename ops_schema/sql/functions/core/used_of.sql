-- What an attempt that has ended used of a unit, by its report, or by its last heartbeat when there is no report. Of
-- what the executor did not measure: the seconds between its claim and its end, the artifacts on record.
create or replace function ops.used_of(p_unit text, p_kind text, p_usage jsonb, p_attempt ops.attempts) returns numeric
language sql stable set search_path = ''
as $$
  select coalesce(case p_unit
    when 'concurrency' then 0
    when 'runs' then (p_attempt.reported_at is not null)::int
    when 'cost' then ops.cost_of(p_kind, p_usage, p_attempt.finished_at)
    when 'wall_seconds' then coalesce(ops.usage_number(p_usage, p_unit),
      extract(epoch from case when p_attempt.reported_at is not null
                              then p_attempt.finished_at - p_attempt.started_at end))
    when 'artifact_bytes' then coalesce(ops.usage_number(p_usage, p_unit), (
      select sum(f.size) from ops.artifacts f where f.run_id = p_attempt.run_id and f.epoch = p_attempt.epoch
         and f.state in ('recorded', 'visible')))
    when 'artifact_count' then (
      select count(*) from ops.artifacts f where f.run_id = p_attempt.run_id and f.epoch = p_attempt.epoch
         and f.state in ('recorded', 'visible'))
    else ops.usage_number(p_usage, p_unit) end, 0)
$$;

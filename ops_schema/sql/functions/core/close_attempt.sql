-- Mutate: the attempt ends with the reported outcome; its cap ledger is written; its recorded artifacts become
-- visible, those only begun are orphaned; a success's publications are recorded. Raises OPV01.
create or replace function ops.close_attempt(p_attempt ops.attempts, p_body jsonb) returns ops.attempts
language plpgsql volatile set search_path = ''
as $$
declare
  v_attempt ops.attempts;
begin
  update ops.attempts a set
    outcome = p_body ->> 'outcome', finished_at = ops.now(), reported_at = ops.now(),
    idempotency_key = p_body ->> 'idempotency_key', report_digest = ops.digest(p_body),
    result = nullif(p_body -> 'result', 'null'), error = nullif(p_body -> 'error', 'null'),
    usage = coalesce((select l.usage from ops.leases l where l.run_id = a.run_id), '{}')
            || coalesce(nullif(p_body -> 'usage', 'null'), '{}'),
    metrics = coalesce(ops.metrics_of(p_body), (select l.metrics from ops.leases l where l.run_id = a.run_id))
   where a.run_id = p_attempt.run_id and a.epoch = p_attempt.epoch
  returning * into v_attempt;
  update ops.artifacts set
    state = case state when 'recorded' then 'visible' else 'orphaned' end,
    visible_at = case state when 'recorded' then ops.now() end, orphaned_at = case state when 'begun' then ops.now() end,
    expires_at = case state when 'recorded' then ops.kept_until(p_attempt.run_id) end
   where run_id = p_attempt.run_id and epoch = p_attempt.epoch and state in ('begun', 'recorded');
  perform ops.record_publications(v_attempt, coalesce(nullif(p_body -> 'publications', 'null'), '[]'));

  perform ops.record_caps(v_attempt, coalesce(nullif(p_body -> 'cap_ledger', 'null'), '[]'));
  return v_attempt;
end
$$;

-- For a manifest: every attempt of a run, with what it used and what that cost by the price list in force at its end.
create or replace function ops.manifest_attempts(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
      'epoch', a.epoch,
      'attempt', a.attempt,
      'executor_id', a.executor_id,
      'outcome', a.outcome,
      'started_at', ops.iso(a.started_at),
      'finished_at', ops.iso(a.finished_at),
      'reported_at', ops.iso(a.reported_at),
      'report_sha256', encode(a.report_digest, 'hex'),
      'error', a.error - 'trace',
      'usage', a.usage,
      'cost', case when l.version is not null then jsonb_build_object(
                'amount', ops.cost_of((p_run).kind, a.usage, a.finished_at)::text,
                'currency', l.currency, 'price_list', l.version) end) order by a.epoch), '[]')
    from ops.attempts a
    left join lateral (select p.version, p.currency from ops.price_lists p where p.valid_from <= a.finished_at
                        order by p.valid_from desc, p.version desc limit 1) l on true
   where a.run_id = (p_run).run_id
$$;

-- Mutate: renew the executor's leases among {run_id, epoch, progress, usage, metrics}; members that hold none are
-- passed over: each (run, epoch) counts for itself, of one named twice the last. Locked in run-id order; no indexed
-- column changes, so each renewal is a HOT update.
create or replace function ops.renew_leases(p_executor_id uuid, p_runs jsonb) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := ops.now();
begin
  with sent as materialized (
    select distinct on (run_id, epoch) (m ->> 'run_id')::uuid as run_id, ops.body_epoch(m) as epoch,
           nullif(m -> 'progress', 'null') as progress, nullif(m -> 'usage', 'null') as usage,
           ops.metrics_of(m) as metrics
      from jsonb_array_elements(p_runs) with ordinality t (m, n) order by run_id, epoch, n desc
  ), held as materialized (
    select l.run_id, s.progress, s.usage, s.metrics
      from ops.leases l join sent s on s.run_id = l.run_id and s.epoch = l.epoch
     where l.executor_id = p_executor_id order by l.run_id for update of l
  )
  update ops.leases l set
    lease_deadline = v_now + ops.seconds(l.lease_seconds), heartbeat_at = v_now,
    progress = coalesce(h.progress, l.progress), usage = coalesce(h.usage, l.usage),
    metrics = coalesce(h.metrics, l.metrics)
    from held h where l.run_id = h.run_id;
end
$$;

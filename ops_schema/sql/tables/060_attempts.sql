-- Attempts: one per claim, identified by (run_id, epoch). `attempt` is for people and retry policy.
create table ops.attempts (
  run_id          uuid        not null,
  epoch           bigint      not null,
  attempt         int         not null,
  executor_id     uuid        not null,
  outcome         text        not null default 'running',
  started_at      timestamptz not null,
  finished_at     timestamptz,
  reported_at     timestamptz,                   -- null when nobody reported (expired, forced cancel)
  idempotency_key text,
  report_digest   bytea,                         -- of the accepted body
  answer          jsonb,                         -- what the report was answered, for the next time it is sent
  result          jsonb,
  error           jsonb,
  usage           jsonb       not null default '{}',
  metrics         jsonb,                         -- what the work measured of itself; while it runs: on the lease
  timings         jsonb,                         -- of its stop: {delivered_at, stopped_at, released_at, …}
  constraint attempts_pkey primary key (run_id, epoch),
  constraint attempts_run_fkey foreign key (run_id) references ops.runs (run_id),
  constraint attempts_epoch check (epoch >= 1 and attempt >= 1),
  constraint attempts_outcome check (outcome in ('running', 'succeeded', 'failed', 'cancelled', 'expired', 'capped')),
  constraint attempts_finished_at check ((outcome = 'running') = (finished_at is null)),
  constraint attempts_reported check ((reported_at is null) = (report_digest is null)),
  constraint attempts_succeeded_was_reported check (outcome <> 'succeeded' or reported_at is not null),
  constraint attempts_expired_was_not_reported check (outcome <> 'expired' or reported_at is null)
) with (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);
-- Per executor: a key that one executor uses must not block the report of another.
create unique index attempts_idempotency on ops.attempts (executor_id, idempotency_key)
  where idempotency_key is not null;

-- Leases: one row per running run, from its claim until its end (a run that is publishing keeps its lease). Narrow, and
-- no index on the deadline, so that a renewal is a HOT update. No foreign key either: functions are the only writers.
create table ops.leases (
  run_id          uuid        not null,
  epoch           bigint      not null,
  executor_id     uuid        not null,
  lease_seconds   int         not null,
  lease_deadline  timestamptz not null,
  heartbeat_at    timestamptz not null,
  reported_at     timestamptz,                   -- an accepted report whose publications are pending
  workspace       text        not null,
  concurrency_key text,
  progress        jsonb,
  usage           jsonb,
  metrics         jsonb,
  reserved        ops.budget_line[],             -- of budgets; null: none applies to the run
  constraint leases_pkey primary key (run_id),
  constraint leases_epoch check (epoch >= 1)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
create index leases_executor on ops.leases (executor_id);
create index leases_key on ops.leases (workspace, concurrency_key) where concurrency_key is not null;

-- What a claim was answered, so that a lost answer can be asked for again.
create table ops.claim_requests (
  executor_id uuid        not null,
  request_id  uuid        not null,
  body_digest bytea       not null,
  runs        jsonb       not null,              -- [{"run_id", "epoch"}]
  created_at  timestamptz not null,
  constraint claim_requests_pkey primary key (executor_id, request_id)
) with (autovacuum_vacuum_scale_factor = 0.02);
create index claim_requests_age on ops.claim_requests (created_at);

-- Runs: one row per requested execution. The claimable unit; also the head of its event chain.
--
-- The definition (who, what, with which parameters) never changes after submit; inputs are resolved once, while the
-- run still waits. State and scheduling move, by functions alone. See STATE_MACHINE.md.
create sequence ops.ready_seq as bigint;

create table ops.runs (
  run_id              uuid        not null,
  number              bigint      generated always as identity,
  -- definition
  workspace           text        not null,
  template_id         uuid        not null,
  template_name       text        not null,
  template_version    int         not null,
  kind                text        not null,
  task_key            text,
  pipeline_run_id     uuid,
  retry_of            uuid,
  reproduces          uuid,                                -- an ended run that is done again beside it
  may_reuse           boolean     not null default false,  -- what an earlier run left for the same inputs is taken
  params              jsonb       not null default '{}',
  inputs              jsonb       not null default '[]',
  outputs             jsonb       not null default '[]',
  labels              jsonb       not null default '{}',
  caps                jsonb       not null default '{}',   -- the tightest in force at submit
  cap_rules           jsonb,                               -- {cap: {action, grace_seconds, warn}} given beside
  max_attempts        int         not null default 1,
  retry               jsonb,                               -- of its submit; null: the template's
  lease_seconds       int         not null default 60,
  requires            jsonb,                               -- {"capabilities", "labels"} to be offered; null: any
  concurrency_key     text,
  concurrency_limit   int,                                 -- the key's, as its submit or its template gave it
  condition           text        not null default 'all_success',
  deadline            timestamptz,
  idempotency_key     text,
  request_digest      bytea,
  dedupe_key          text,                                -- at most one run that has not ended holds it
  traceparent         text,
  submitted_by        text        not null,
  submitted_at        timestamptz not null,
  -- scheduling
  priority            int         not null default 0,
  queue               text        not null default 'default',
  not_before          timestamptz,
  paused              boolean     not null default false,
  ready_seq           bigint,
  -- state
  state               text        not null,
  state_reason        text,
  epoch               bigint      not null default 0,
  attempt             int         not null default 0,
  expirations         int         not null default 0,
  executor_id         uuid,                                -- who has it, or had it last
  queued_at           timestamptz,
  started_at          timestamptz,                         -- the first attempt's start
  finished_at         timestamptz,
  cancel_requested_at timestamptz,
  cancel_reason       text,
  result              jsonb,
  error               jsonb,
  progress            jsonb,
  usage               jsonb       not null default '{}',
  manifest_root       text,                                -- of its manifest, once there is one
  reuse_key           bytea,                               -- digest of what its template calls the same inputs
  reused_from         uuid,                                -- the run that did the work; it did none itself
  -- event chain
  event_seq           bigint      not null default 0,
  event_head          bytea       not null default '\x0000000000000000000000000000000000000000000000000000000000000000',
  event_xid           xid8        not null default pg_catalog.pg_current_xact_id(),  -- of the last event

  constraint runs_pkey primary key (run_id),
  constraint runs_number_key unique (number),
  -- one check for both: a template is of one workspace, and its runs are too
  constraint runs_template_fkey foreign key (template_id, workspace) references ops.templates (template_id, workspace),
  constraint runs_pipeline_fkey foreign key (pipeline_run_id) references ops.runs (run_id),
  constraint runs_retry_of_fkey foreign key (retry_of) references ops.runs (run_id),
  constraint runs_reproduces_fkey foreign key (reproduces) references ops.runs (run_id),
  constraint runs_reused_from_fkey foreign key (reused_from) references ops.runs (run_id),
  constraint runs_reused_was_not_run check (reused_from is null or (state = 'succeeded' and epoch = 0)),
  constraint runs_params_is_an_object check (jsonb_typeof(params) = 'object'),
  constraint runs_inputs_is_an_array check (jsonb_typeof(inputs) = 'array'),
  constraint runs_outputs_is_an_array check (jsonb_typeof(outputs) = 'array'),
  constraint runs_labels_is_an_object check (jsonb_typeof(labels) = 'object'),
  constraint runs_retry_is_an_object check (jsonb_typeof(retry) = 'object'),
  constraint runs_caps_is_an_object check (jsonb_typeof(caps) = 'object'),
  constraint runs_max_attempts check (max_attempts >= 1),
  constraint runs_lease_seconds check (lease_seconds between 1 and 3600),
  constraint runs_epoch check (epoch >= 0 and attempt >= 0 and attempt <= epoch),
  constraint runs_task_has_a_pipeline check ((task_key is null) = (pipeline_run_id is null)),
  constraint runs_condition check (condition in
    ('all_success', 'all_done', 'at_least_one_success', 'none_failed', 'at_least_one_failed', 'all_failed')),
  constraint runs_state check (state in
    ('waiting', 'queued', 'running', 'succeeded', 'failed', 'cancelled', 'skipped')),
  constraint runs_waiting_has_a_reason check (state <> 'waiting' or state_reason is not null),
  constraint runs_queued_is_ready check ((state = 'queued') = (ready_seq is not null)),
  constraint runs_queued_at check (state <> 'queued' or queued_at is not null),
  constraint runs_running_has_started check (state <> 'running' or started_at is not null),
  constraint runs_running_was_claimed check (state <> 'running' or kind = 'pipeline' or (epoch > 0
      and executor_id is not null)),
  constraint runs_pipeline_is_never_queued check (kind <> 'pipeline' or (state <> 'queued' and epoch = 0)),
  constraint runs_finished_at check
    ((state in ('succeeded', 'failed', 'cancelled', 'skipped')) = (finished_at is not null)),
  constraint runs_failed_has_an_error check (state <> 'failed' or error is not null),
  constraint runs_succeeded_has_no_error check (state <> 'succeeded' or error is null),
  constraint runs_cancel_reason check (cancel_reason is null or cancel_requested_at is not null)
) with (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
        autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- Ready rows alone.
create index runs_ready on ops.runs (queue, kind, priority desc, ready_seq) where state = 'queued' and not paused;
-- Who is announced when a concurrency key becomes free, and whether a key is in use at all.
create index runs_key on ops.runs (workspace, concurrency_key, state, kind)
  where concurrency_key is not null and state in ('waiting', 'queued', 'running');
-- Waiting rows that a clock will wake.
create index runs_due on ops.runs (not_before) where state = 'waiting' and not_before is not null
    and state_reason in ('not_before', 'retry_backoff') and not paused;
-- Waiting rows that somebody looks at again: the sweeper's re-check of dependencies.
create index runs_blocked on ops.runs (run_id) where state = 'waiting' and state_reason = 'waiting_on_dependency';
-- Waiting rows that a budget holds: the reactor looks whether there is room.
create index runs_held_by_budget on ops.runs (workspace, template_name, priority desc, run_id)
  where state = 'waiting' and state_reason = 'budget_exhausted';
-- Runs that the sweeper ends: a deadline that passed, a cancellation that nobody obeyed.
create index runs_deadline on ops.runs (deadline)
  where deadline is not null and state in ('waiting', 'queued', 'running');
create index runs_cancelling on ops.runs (cancel_requested_at) where state = 'running'
    and cancel_requested_at is not null;
-- Runs that are to start within a time.
create index runs_queue_seconds on ops.runs (queued_at) where caps ? 'queue_seconds'
    and (state = 'queued' or state = 'waiting' and state_reason = 'budget_exhausted');
-- Ended runs that have no manifest yet.
create index runs_without_manifest on ops.runs (finished_at, run_id)
  where finished_at is not null and manifest_root is null;
-- Dead letters: failed runs, newest first, and what retries what.
create index runs_failed on ops.runs (number) where state = 'failed' and pipeline_run_id is null;
create index runs_retry_of on ops.runs (retry_of) where retry_of is not null;
-- What did the work for the same inputs, and who took it.
create index runs_reuse on ops.runs (reuse_key, finished_at) where state = 'succeeded' and reused_from is null
    and reuse_key is not null;
create index runs_reused_from on ops.runs (reused_from) where reused_from is not null;
create index runs_reproduces on ops.runs (reproduces) where reproduces is not null;
create index runs_children on ops.runs (pipeline_run_id) where pipeline_run_id is not null;
create unique index runs_idempotency on ops.runs (workspace, idempotency_key) where idempotency_key is not null;
-- A backstop: submits with a dedupe key take turns.
create unique index runs_dedupe on ops.runs (workspace, dedupe_key)
  where dedupe_key is not null and state in ('waiting', 'queued', 'running');

-- Requests with an idempotency key that made no new run: retries that let a waiting run go on, submits whose dedupe key
-- was held. What they were answered with, for the next time they are sent. Other keys are on the runs they made.
create table ops.retry_requests (
  workspace       text        not null,
  idempotency_key text        not null,
  request_digest  bytea       not null,
  run_id          uuid        not null,
  created_at      timestamptz not null,
  constraint retry_requests_pkey primary key (workspace, idempotency_key),
  constraint retry_requests_run_fkey foreign key (run_id) references ops.runs (run_id)
);

-- Who waits for whom, and which of the parent's outputs become which inputs: {"input name": "output name"}.
create table ops.run_dependencies (
  run_id     uuid  not null,
  depends_on uuid  not null,
  inputs     jsonb not null default '{}',
  constraint run_dependencies_pkey primary key (run_id, depends_on),
  constraint run_dependencies_run_fkey foreign key (run_id) references ops.runs (run_id),
  constraint run_dependencies_parent_fkey foreign key (depends_on) references ops.runs (run_id),
  constraint run_dependencies_not_itself check (run_id <> depends_on)
);
create index run_dependencies_parent on ops.run_dependencies (depends_on);

-- Concurrency keys: the row is the lock. How many hold it is counted from leases, never kept. Claims lock it for no key
-- update; a submit holds it with a key share lock until its run is there, so that no sweeper drops it meanwhile.
create table ops.concurrency_keys (
  workspace  text        not null,
  key        text        not null,
  "limit"    int         not null,
  updated_at timestamptz not null,
  constraint concurrency_keys_pkey primary key (workspace, key),
  constraint concurrency_keys_limit check ("limit" >= 1)
);

-- Claim floors: no queued row of (queue, kind, priority) has a ready_seq below floor_seq, so a claim seeks from there
-- instead of walking over dead entries. `candidate` becomes the floor when every transaction that was open while it
-- was computed has ended. Also the list of priorities that exist. One that has been empty for long is dropped, and made
-- again when a run stands there.
create table ops.queue_floors (
  queue          text        not null,
  kind           text        not null,
  priority       int         not null,
  floor_seq      bigint      not null default 0,
  candidate_seq  bigint,
  candidate_xmax xid8,
  moved_at       timestamptz not null,
  rescanned_at   timestamptz not null,
  empty_since    timestamptz,
  constraint queue_floors_pkey primary key (queue, kind, priority)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

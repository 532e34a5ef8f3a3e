-- Built from ops_schema/sql by `python -m ops_schema.migrate regenerate-initial`; edit the sources, not this file.
-- compatible-from: 1
set local check_function_bodies = off;
set local client_min_messages = warning;

-- roles/roles.sql
-- Roles of the schema and the schema itself.
--
-- ops_owner   owns everything in `ops`; nobody logs in as it. SECURITY DEFINER functions run as it.
-- ops_server  what a server's login is a member of: EXECUTE on the verbs, SELECT on the views, no table at all.
-- ops_reader  SELECT on the views, for people and reports.
--
-- Roles belong to the cluster, not the database: creation is guarded, also against a second database that is being
-- migrated at the same moment. Needs CREATEROLE (or the roles made beforehand), not superuser.
do $$
declare
  v_role text;
begin
  foreach v_role in array array['ops_owner', 'ops_server', 'ops_reader'] loop
    begin
      if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
        execute format('create role %I nologin', v_role);
      end if;
    exception when duplicate_object or unique_violation then
      null;  -- another database's migration made it first
    end;
  end loop;
  -- From Postgres 16 on who creates a role only administers it: a member, but one that may not act as it.
  if not pg_catalog.pg_has_role(current_user, 'ops_owner',
       case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end) then
    execute format('grant ops_owner to %I', current_user);
  end if;
end
$$;

create schema if not exists ops authorization ops_owner;
revoke all on schema ops from public;
grant usage on schema ops to ops_server, ops_reader;

-- Everything that follows in the same transaction is owned by ops_owner.
set local role ops_owner;

-- A function is nobody's to call until sql/grants says so.
alter default privileges for role ops_owner revoke execute on functions from public;

-- tables/010_settings.sql
-- Settings of the whole platform: one JSON value per key, read by functions, changed by ops.put_setting.
create table ops.settings (
  key        text        not null,
  value      jsonb       not null,
  updated_at timestamptz not null default pg_catalog.now(),
  constraint settings_pkey primary key (key),
  constraint settings_key_is_a_name check (key ~ '^[a-z][a-z0-9_]{0,62}$')
);

insert into ops.settings (key, value) values
  ('lakehouse_root', '"s3://lakehouse"'),        -- see ops.workspace_root
  ('iceberg_root', '"iceberg://lakehouse"'),     -- see ops.output_address
  ('lease_seconds', '60'),                       -- when a template says nothing
  ('claim_wait_seconds', '30'),                  -- told to executors at registration
  ('log_chunk_bytes', '65536'),                  -- told to executors at registration
  ('cancel_grace_seconds', '10'),                -- from the cancel directive to SIGKILL
  ('executor_alive_seconds', '60'),              -- silent longer than this: not alive
  ('sweeper_gap_seconds', '3'),                  -- a sweeper pause longer than this is remembered
  ('max_expirations', '5'),                      -- a run whose lease lapsed this often is poison
  ('claim_floor_seconds', '1'),                  -- how often a claim floor is moved
  ('claim_floor_rescan_seconds', '10'),          -- how often it is computed from the very start
  ('claim_floor_empty_seconds', '3600'),         -- a claim floor that is empty for so long is dropped
  ('claim_request_hours', '24'),                 -- how long a claim's answer can be asked for again
  ('orphan_safety_hours', '24'),                 -- how long bytes that nobody needs are left alone
  ('events_kept_months', '1200'),                -- months of events kept beside the present one: a century
  ('logs_kept_months', '1200'),                  -- of logs
  ('partitions_ahead', '3');                     -- months of event and log partitions made in advance

-- Duties of the reactor: when each last ran, so that an outage is noticed by whoever comes next.
create table ops.duties (
  name   text        not null,
  ran_at timestamptz not null,
  place  text,                                   -- of one that goes on from call to call: where
  constraint duties_pkey primary key (name)
);

insert into ops.duties (name, ran_at) values
  ('drop_empty_floors', '-infinity'), ('drop_idle_keys', '-infinity'), ('recheck_blocked', '-infinity');

-- Pauses of the sweeper, as long as they matter: who could not renew a lease because nobody answered is not to blame.
create table ops.sweeper_gaps (
  ended_at timestamptz not null,
  seconds  numeric     not null,
  constraint sweeper_gaps_pkey primary key (ended_at)
);

-- One leader per duty, held for a while and renewed.
create table ops.leadership (
  name        text        not null,
  holder      text        not null,
  term        bigint      not null default 1,    -- rises when the holder changes
  acquired_at timestamptz not null,
  expires_at  timestamptz not null,
  constraint leadership_pkey primary key (name),
  constraint leadership_times_ordered check (expires_at >= acquired_at)
);

-- tables/020_access.sql
-- Tenants.
create table ops.workspaces (
  workspace   text        not null,
  description text        not null default '',
  created_at  timestamptz not null default pg_catalog.now(),
  constraint workspaces_pkey primary key (workspace),
  constraint workspaces_name check (workspace ~ '^[a-z0-9][a-z0-9_-]{0,62}$')
);
insert into ops.workspaces (workspace, description) values ('default', 'Where runs go that name no workspace');

-- Bearer tokens; only the SHA-256 is here.
create table ops.tokens (
  token_id     uuid        not null,
  token_sha256 bytea       not null,
  role         text        not null,
  name         text        not null,
  workspaces   text[],                           -- null: all
  created_at   timestamptz not null default pg_catalog.now(),
  expires_at   timestamptz,
  revoked_at   timestamptz,
  last_used_at timestamptz,
  constraint tokens_pkey primary key (token_id),
  constraint tokens_sha256_key unique (token_sha256),
  constraint tokens_sha256_length check (octet_length(token_sha256) = 32),
  constraint tokens_role check (role in ('operator', 'viewer', 'executor'))
);

-- One-time codes that turn an operator's token into a browser session.
create table ops.login_codes (
  code_sha256 bytea       not null,
  token_id    uuid        not null,
  created_at  timestamptz not null,
  expires_at  timestamptz not null,
  used_at     timestamptz,
  constraint login_codes_pkey primary key (code_sha256),
  constraint login_codes_token_fkey foreign key (token_id) references ops.tokens (token_id),
  constraint login_codes_sha256_length check (octet_length(code_sha256) = 32)
);

create table ops.sessions (
  session_sha256 bytea       not null,
  token_id       uuid        not null,
  created_at     timestamptz not null,
  expires_at     timestamptz not null,
  ended_at       timestamptz,
  constraint sessions_pkey primary key (session_sha256),
  constraint sessions_token_fkey foreign key (token_id) references ops.tokens (token_id),
  constraint sessions_sha256_length check (octet_length(session_sha256) = 32)
);

-- tables/030_templates.sql
-- Code archives, addressed by workspace and content.
create table ops.bundles (
  workspace  text        not null,
  sha256     text        not null,
  size       bigint      not null,
  object_key text        not null,
  state      text        not null,
  created_at timestamptz not null,
  stored_at  timestamptz,
  created_by uuid,
  constraint bundles_pkey primary key (workspace, sha256),
  constraint bundles_workspace_fkey foreign key (workspace) references ops.workspaces (workspace),
  constraint bundles_sha256_hex check (sha256 ~ '^[0-9a-f]{64}$'),
  constraint bundles_size check (size >= 0),
  constraint bundles_state check (state in ('begun', 'stored')),
  constraint bundles_stored_at check ((state = 'stored') = (stored_at is not null))
);

-- Templates: one row per version; a version never changes. `spec` is the template as data.
create table ops.templates (
  template_id uuid        not null,
  number      bigint      generated always as identity,
  workspace   text        not null default 'default',
  name        text        not null,
  version     int         not null,
  digest      text        not null,              -- sha256 of the canonical spec, hex
  kind        text        not null,
  description text        not null default '',
  spec        jsonb       not null,
  created_at  timestamptz not null,
  created_by  uuid,
  constraint templates_pkey primary key (template_id),
  constraint templates_number_key unique (number),
  constraint templates_workspace_key unique (template_id, workspace),
  constraint templates_version_key unique (workspace, name, version),
  constraint templates_workspace_fkey foreign key (workspace) references ops.workspaces (workspace),
  constraint templates_name check (name ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
  constraint templates_kind check (kind ~ '^[a-z][a-z0-9_-]{0,62}$'),
  constraint templates_version check (version >= 1),
  constraint templates_digest_hex check (digest ~ '^[0-9a-f]{64}$'),
  constraint templates_spec_is_an_object check (jsonb_typeof(spec) = 'object')
);

-- tables/040_executors.sql
-- Executors: one row per process that registered. Same instance again: same row.
create table ops.executors (
  executor_id      uuid        not null,
  number           bigint      generated always as identity,
  instance_id      uuid        not null,
  token_id         uuid        not null,         -- only this token acts for the executor
  name             text        not null,
  kind             text        not null,
  version          text        not null,
  contract_min     text        not null,
  contract_max     text        not null,
  contract_version text        not null,         -- the one chosen
  capabilities     jsonb       not null default '{}',
  labels           jsonb       not null default '{}',
  workspaces       text[],                       -- null: all that its token may
  slots            int         not null default 1,
  host             text,
  pid              int,
  state            text        not null default 'active',
  state_at         timestamptz,                  -- since when, by whom and why it is paused or drains
  state_by         text,
  state_reason     text,
  trouble          text,                         -- what keeps it from taking runs, as its last heartbeat said
  registered_at    timestamptz not null,
  last_seen_at     timestamptz not null,
  left_at          timestamptz,
  constraint executors_pkey primary key (executor_id),
  constraint executors_number_key unique (number),
  constraint executors_instance_key unique (instance_id),
  constraint executors_token_fkey foreign key (token_id) references ops.tokens (token_id),
  constraint executors_kind check (kind ~ '^[a-z][a-z0-9_-]{0,62}$' and kind <> 'pipeline'),
  constraint executors_slots check (slots >= 1),
  constraint executors_state check (state in ('active', 'paused', 'draining', 'left')),
  constraint executors_state_by check ((state_by is null) = (state_at is null)),
  constraint executors_trouble check (length(trouble) between 1 and 1024),
  constraint executors_left_at check ((state = 'left') = (left_at is not null))
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- tables/050_runs.sql
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

-- tables/055_members.sql
-- Types of the set-based verbs.

-- One member's answer in a batch: code null and detail the answer (JSON text), or code the SQLSTATE and detail
-- {message, members, hint}. Text, because servers hand it on as it is.
create type ops.member_answer as (ordinal int, code text, detail text);

-- One member's claim, checked: repeated are the runs that the same request was answered with before, null when it is
-- new; same_as is the ordinal of the member that brought the same request into this batch first, its own mostly. Claims
-- of one `filter` can be picked for together.
create type ops.member_claim as (
  ordinal int, executor_id uuid, request_id uuid, body_digest bytea, max_runs int, queues text[],  -- noqa: LT01
  filter bytea, repeated jsonb, same_as int);

-- What one attempt takes of one budget's period: reserved at its claim, used as its end shows.
create type ops.budget_line as (budget_id bigint, period_start timestamptz, reserved numeric, used numeric);

-- A lease that ended with something reserved.
create type ops.ended_lease as (run_id uuid, epoch bigint, usage jsonb, reserved ops.budget_line[]);  -- noqa: LT01

-- A run that was picked for a member; epoch and pipeline are null until it is started, reserved where no budget
-- applies.
create type ops.member_start as (
  ordinal int, executor_id uuid, run_id uuid, epoch bigint, pipeline_run_id uuid,  -- noqa: LT01
  reserved ops.budget_line[]);  -- noqa: LT01

-- Where so many new runs stand ready.
create type ops.ready_place as (queue text, kind text, priority int, runs bigint);

-- tables/057_queues.sql
-- Queues that an operator has paused: claims pass over them. A queue needs no row of its own to exist.
create table ops.queue_pauses (
  queue         text        not null,
  paused_at     timestamptz not null,
  paused_by     text        not null,
  paused_reason text,
  constraint queue_pauses_pkey primary key (queue)
);

-- tables/060_attempts.sql
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

-- tables/070_artifacts.sql
-- Artifacts: write-once, addressed by sha256. Visible only with the accepted report of their epoch.
create table ops.artifacts (
  artifact_id uuid        not null,
  run_id      uuid        not null,
  epoch       bigint      not null,
  name        text        not null,
  kind        text        not null,
  media_type  text        not null,
  size        bigint,
  sha256      text,
  object_key  text,
  table_ref   jsonb,                             -- {"format","uri","version"} for kind table, the contract's `table`
  metadata    jsonb       not null default '{}',
  state       text        not null,
  begun_at    timestamptz not null,
  recorded_at timestamptz,
  visible_at  timestamptz,
  orphaned_at timestamptz,
  expires_at  timestamptz,                       -- of its template's retention; null: kept
  expired_at  timestamptz,
  settled_at  timestamptz,                       -- when its bytes were left to the collector, or to others with them
  preview     jsonb,                             -- what its attempt told of its content, at most 64 KiB
  verify_ms   bigint,                            -- what it took the server to read and hash them; null: the store did
  constraint artifacts_pkey primary key (artifact_id),
  constraint artifacts_name_key unique (run_id, epoch, name),
  constraint artifacts_attempt_fkey foreign key (run_id, epoch) references ops.attempts (run_id, epoch),
  constraint artifacts_kind check (kind in ('file', 'table', 'report', 'log', 'metrics', 'model')),
  constraint artifacts_state check (state in ('begun', 'recorded', 'visible', 'orphaned', 'expired')),
  constraint artifacts_sha256_hex check (sha256 ~ '^[0-9a-f]{64}$'),
  constraint artifacts_size check (size >= 0),
  constraint artifacts_preview check (jsonb_typeof(preview) = 'object' and octet_length(preview::text) <= 65536),
  constraint artifacts_bytes_or_table check
    (case when kind = 'table' and table_ref is not null then object_key is null
          else object_key is not null and sha256 is not null and size is not null end),
  constraint artifacts_recorded_at check (state not in ('recorded', 'visible', 'expired') or recorded_at is not null),
  constraint artifacts_visible_at check ((state in ('visible', 'expired')) = (visible_at is not null)),
  constraint artifacts_expired_at check ((state = 'expired') = (expired_at is not null)),
  constraint artifacts_orphaned_at check ((state = 'orphaned') = (orphaned_at is not null))
);

create index artifacts_expiring on ops.artifacts (expires_at) where state = 'visible' and expires_at is not null;
create index artifacts_unsettled on ops.artifacts (artifact_id)
  where state in ('orphaned', 'expired') and settled_at is null and object_key is not null;

-- Uploads in parts that the store has open, one for each run and object: a later attempt of the run goes on with the
-- parts of the one before. The row goes when the upload is completed or given up.
create table ops.uploads (
  upload_id  uuid        not null,
  run_id     uuid        not null,
  object_key text        not null,
  store_id   text        not null,               -- the store's name of it
  size       bigint      not null,
  part_size  bigint      not null,
  begun_at   timestamptz not null,
  used_at    timestamptz not null,
  constraint uploads_pkey primary key (upload_id),
  constraint uploads_one unique (run_id, object_key),
  constraint uploads_run_fkey foreign key (run_id) references ops.runs (run_id),
  constraint uploads_parts check (part_size > 0 and size > 0 and (size - 1) / part_size < 10000)
);
create index uploads_used on ops.uploads (used_at);

-- The bytes of a part are fixed by the first word about them: a part that is sent again is the same part.
create table ops.upload_parts (
  upload_id uuid not null,
  number    int  not null,
  sha256    text not null,
  constraint upload_parts_pkey primary key (upload_id, number),
  constraint upload_parts_upload_fkey foreign key (upload_id) references ops.uploads (upload_id) on delete cascade,
  constraint upload_parts_number check (number between 1 and 10000),
  constraint upload_parts_sha256_hex check (sha256 ~ '^[0-9a-f]{64}$')
);

-- Objects that nobody needs any more, on their way out of the store. What is told of them is told of the key: the same
-- bytes may come again at any time.
create table ops.condemned_objects (
  object_key   text        not null,
  size         bigint,
  state        text        not null default 'condemned',
  condemned_at timestamptz not null,
  deleted_at   timestamptz,
  constraint condemned_objects_pkey primary key (object_key),
  -- deleting: the store is being told; deleted: it was, and is told once more when no upload address can be valid
  constraint condemned_objects_state check (state in ('condemned', 'deleting', 'deleted'))
);

-- Runs whose artifacts nobody removes, however old they are.
create table ops.legal_holds (
  hold_id     bigint      generated always as identity,
  run_id      uuid        not null,
  reason      text        not null,
  placed_at   timestamptz not null,
  placed_by   text        not null,
  released_at timestamptz,
  released_by text,
  constraint legal_holds_pkey primary key (hold_id),
  constraint legal_holds_run_fkey foreign key (run_id) references ops.runs (run_id),
  constraint legal_holds_released check ((released_at is null) = (released_by is null))
);
create unique index legal_holds_one on ops.legal_holds (run_id) where released_at is null;

-- Publications of data: recorded by the accepted report, committed with the marker (app_id, app_version).
create table ops.publications (
  run_id        uuid        not null,
  epoch         bigint      not null,
  output        text        not null,
  format        text        not null,
  mode          text        not null,
  uri           text        not null,
  files         jsonb       not null,
  schema        jsonb,
  rows          bigint,
  partition_by  jsonb       not null default '[]',
  app_id        text        not null,            -- "<run_id>/<output>"
  app_version   bigint      not null,            -- the epoch
  state         text        not null default 'recorded',
  table_version bigint,                          -- of an Iceberg table its snapshot id, of an object a count
  location      text,                            -- where the committed table's files lie, when its uri does not say
  error         jsonb,
  refused       jsonb,                           -- {table_version, location} of a commit that was told and not taken
  recorded_at   timestamptz not null,
  committed_at  timestamptz,
  failed_at     timestamptz,
  constraint publications_pkey primary key (run_id, epoch, output),
  constraint publications_attempt_fkey foreign key (run_id, epoch) references ops.attempts (run_id, epoch),
  constraint publications_format check (format in ('delta', 'iceberg', 'object')),
  constraint publications_mode check (mode in ('overwrite', case format when 'object' then 'create' else 'append' end)),
  constraint publications_files_is_an_array check (jsonb_typeof(files) = 'array'),
  constraint publications_state check (state in ('recorded', 'committed', 'failed')),
  constraint publications_committed check
    ((state = 'committed') = (committed_at is not null) and (state <> 'committed' or table_version is not null)),
  constraint publications_location check
    (case when state = 'committed' then format <> 'iceberg' or location is not null else location is null end),
  constraint publications_refused check (refused is null or state = 'failed'),
  constraint publications_failed check ((state = 'failed') = (failed_at is not null))
);
create index publications_pending on ops.publications (run_id) where state = 'recorded';
-- Whether what a run published was published over since.
create index publications_at on ops.publications (uri, committed_at) where state = 'committed';

-- tables/080_events.sql
-- Events: append-only facts, one hash chain per run.
--
-- `canonical` is the event: {"actor","at","data","epoch","run_id","seq","type"} as stored text. The other columns are
-- copies for indexes; ops.verify_events compares them. hash = sha256(prev_hash || utf8(canonical)); the first prev_hash
-- is 32 zero bytes; the last hash and seq stand on the run. Partitioned by range of run_id (UUIDv7, so by month of
-- submit): a chain never straddles retention. `xid` lets readers stop before transactions that are still open: that of
-- the writer, or of the run's event before if that is greater, since a transaction can have begun before the one whose
-- event it follows. So a run's events are read in their order, and none is read before its transaction has ended.
create table ops.events (
  run_id    uuid        not null,
  seq       bigint      not null,
  at        timestamptz not null,
  type      text        not null,
  epoch     bigint      not null,
  canonical text        not null,
  prev_hash bytea       not null,
  hash      bytea       not null,
  xid       xid8        not null default pg_catalog.pg_current_xact_id(),
  constraint events_pkey primary key (run_id, seq),
  constraint events_seq check (seq >= 1),
  constraint events_type check (type in (
    'run.submitted', 'run.waiting', 'run.queued', 'run.started', 'run.retry_scheduled', 'run.publishing',
    'run.succeeded', 'run.failed', 'run.cancelled', 'run.skipped', 'run.cancel_requested', 'run.escalated',
    'run.paused', 'run.resumed', 'run.rescheduled',
    'attempt.reported', 'attempt.expired', 'report.differs', 'artifact.recorded', 'publication.committed',
    'publication.failed', 'cap.enforced', 'cap.warned'))
) partition by range (run_id);
create index events_xid on ops.events (xid, run_id, seq);
create table ops.events_default partition of ops.events default;

-- Partitions of events and logs that were dropped because they were over their time, with the run_ids that they held.
-- It tells a chain that retention took from one that somebody else did.
create table ops.dropped_partitions (
  name        text        not null,
  parent      text        not null,
  from_run_id uuid        not null,
  to_run_id   uuid        not null,
  dropped_at  timestamptz not null,
  constraint dropped_partitions_pkey primary key (name),
  constraint dropped_partitions_parent check (parent in ('events', 'run_logs')),
  constraint dropped_partitions_range check (from_run_id < to_run_id)
);

-- Where chains were cut whose month was dropped and to which an event came afterwards (ops.keep_dropped_head). Of all
-- other dropped chains the head on the run is that place.
create table ops.dropped_heads (
  run_id uuid   not null,
  seq    bigint not null,
  hash   bytea  not null,
  constraint dropped_heads_pkey primary key (run_id),
  constraint dropped_heads_run_fkey foreign key (run_id) references ops.runs (run_id),
  constraint dropped_heads_seq check (seq >= 1)
);

-- Logs, keyed by (run, epoch, stream, seq); "offset" is the byte offset of the chunk in its stream.
create table ops.run_logs (
  run_id      uuid        not null,
  epoch       bigint      not null,
  stream      text        not null,
  seq         bigint      not null,
  "offset"    bigint      not null,
  at          timestamptz not null,
  text        text        not null,
  received_at timestamptz not null,
  constraint run_logs_pkey primary key (run_id, epoch, stream, seq),
  constraint run_logs_position check (seq >= 0 and "offset" >= 0),
  constraint run_logs_stream check (stream ~ '^[a-z][a-z0-9_.-]{0,62}$')
) partition by range (run_id);
create table ops.run_logs_default partition of ops.run_logs default;

-- tables/090_caps.sql
-- Caps: hard ceilings by scope. The effective one is the tightest of platform, workspace, template and run.
create table ops.caps (
  cap_id        bigint      generated always as identity,
  scope         text        not null,
  workspace     text,
  template_name text,
  cap           text        not null,
  "limit"       numeric     not null,
  updated_at    timestamptz not null default pg_catalog.now(),
  action        text,                            -- null: what others say, else cancel
  grace_seconds numeric,                         -- between the order to stop and the kill; null: what others say
  constraint caps_pkey primary key (cap_id),
  constraint caps_scope check (scope in ('platform', 'workspace', 'template')),
  constraint caps_scope_names_its_owner check
    ((scope <> 'platform') = (workspace is not null) and (scope = 'template') = (template_name is not null)),
  constraint caps_cap check (cap in ('wall_seconds', 'queue_seconds', 'cpu_seconds', 'memory_bytes', 'scanned_bytes',
                                     'written_bytes', 'rows_out', 'log_bytes', 'artifact_bytes', 'artifact_count',
                                     'cost')),
  constraint caps_limit check ("limit" > 0),
  constraint caps_action check (action in ('warn', 'cancel', 'kill', 'cut') and (action <> 'cut' or cap = 'log_bytes')),
  constraint caps_grace_seconds check (grace_seconds between 0 and 3600)
);
-- One limit that ends something, and one that warns.
create unique index caps_one_per_scope on ops.caps
  (scope, coalesce(workspace, ''), coalesce(template_name, ''), cap, (coalesce(action, '') = 'warn'));

-- Every enforcement of a cap.
create table ops.cap_ledger (
  entry_id     bigint      generated always as identity,
  run_id       uuid        not null,
  epoch        bigint      not null,
  layer        text        not null,
  cap          text        not null,
  "limit"      numeric     not null,
  observed     numeric     not null,
  overshoot    numeric     not null,
  overshoot_ms numeric,                          -- from the breach to the stop
  action       text        not null,
  at           timestamptz not null,
  constraint cap_ledger_pkey primary key (entry_id),
  constraint cap_ledger_run_fkey foreign key (run_id) references ops.runs (run_id),
  constraint cap_ledger_layer check (layer in ('admission', 'engine', 'watchdog', 'control_room', 'settlement'))
);
create index cap_ledger_run on ops.cap_ledger (run_id);
-- What the control room itself ends: heartbeats and the sweeper look for it.
create index cap_ledger_ordered on ops.cap_ledger (run_id, epoch) where layer = 'control_room' and action <> 'warned';

-- Routing rules: what happens after a failure, and who is told. First match by position.
create table ops.routing_rules (
  rule_id       uuid        not null,
  position      int         not null default 100,
  workspace     text,                            -- null: any
  template_name text,                            -- null: any
  outcome       text,                            -- null: any of failed, capped, expired
  error_class   text,                            -- null: any
  decision      text        not null,
  notify        jsonb       not null default '{}',
  enabled       boolean     not null default true,
  created_at    timestamptz not null default pg_catalog.now(),
  constraint routing_rules_pkey primary key (rule_id),
  constraint routing_rules_outcome check (outcome in ('failed', 'capped', 'expired')),
  constraint routing_rules_error_class check (error_class in ('user', 'external', 'internal', 'resources')),
  -- finish: no retry. escalate: no retry, and run.escalated is said. wait: a person decides.
  constraint routing_rules_decision check (decision in ('finish', 'escalate', 'wait'))
);

-- tables/095_budgets.sql
-- Prices per unit of usage, by kind of executor ("*": any): {kind: {unit: price}}. A version is never changed; the one
-- that was in force when an attempt ended says what it cost.
create table ops.price_lists (
  version    int         generated always as identity,
  valid_from timestamptz not null,
  currency   text        not null,
  prices     jsonb       not null,
  created_by text        not null,
  constraint price_lists_pkey primary key (version),
  constraint price_lists_prices check (jsonb_typeof(prices) = 'object')
);

-- Budgets: how much of one unit the runs of a scope may use together in a period. Claims reserve, ends settle.
create table ops.budgets (
  budget_id     bigint      generated always as identity,
  scope         text        not null,
  workspace     text,
  template_name text,
  unit          text        not null,            -- see ops.budget_units
  period        text        not null,
  timezone      text        not null default 'UTC',  -- in which days and months begin
  "limit"       numeric     not null,
  policy        text        not null default 'queue',
  thresholds    int[]       not null default '{50,80,100}',  -- percent of the limit at which is warned
  updated_at    timestamptz not null,
  updated_by    text        not null,
  removed_at    timestamptz,                     -- what was reserved before is settled all the same
  constraint budgets_pkey primary key (budget_id),
  constraint budgets_scope check (scope in ('platform', 'workspace', 'template')),
  constraint budgets_scope_names_its_owner check
    ((scope <> 'platform') = (workspace is not null) and (scope = 'template') = (template_name is not null)),
  constraint budgets_period check (period in ('hour', 'day', 'month', 'total')),
  -- what runs at a moment belongs to no period
  constraint budgets_concurrency check (unit <> 'concurrency' or period = 'total'),
  constraint budgets_limit check ("limit" >= 0),
  -- queue: a run that finds no room waits. refuse: its submit is refused, and one that was accepted before fails.
  constraint budgets_policy check (policy in ('queue', 'refuse'))
);
create unique index budgets_one_per_scope on ops.budgets
  (scope, coalesce(workspace, ''), coalesce(template_name, ''), unit, period) where removed_at is null;

-- What is reserved and used of a budget's period: the row is the lock, taken after all others, in order of budget and
-- period. ops.check_budgets recomputes it from the ledger.
create table ops.budget_balances (
  budget_id    bigint      not null,
  period_start timestamptz not null,
  reserved     numeric     not null default 0,
  used         numeric     not null default 0,
  warned       int         not null default 0,   -- the highest threshold that was warned of, in percent
  constraint budget_balances_pkey primary key (budget_id, period_start),
  constraint budget_balances_budget_fkey foreign key (budget_id) references ops.budgets (budget_id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200,
        autovacuum_vacuum_cost_delay = 0);

-- What each attempt reserved, and what it came to.
create table ops.budget_ledger (
  entry_id bigint            generated always as identity,
  run_id   uuid              not null,
  epoch    bigint            not null,
  entry    text              not null,
  lines    ops.budget_line[] not null,
  at       timestamptz       not null,
  constraint budget_ledger_pkey primary key (entry_id),
  -- reserved by a claim; settled by a report, released when the lease was taken away
  constraint budget_ledger_entry check (entry in ('reserved', 'settled', 'released')),
  constraint budget_ledger_once unique (run_id, epoch, entry)
);

-- Leases that ended in a transaction that is still open: settled before it commits.
create table ops.budget_dues (
  due_id bigint            generated always as identity,
  xid    xid8              not null,
  leases ops.ended_lease[] not null,
  constraint budget_dues_pkey primary key (xid, due_id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);

-- What the last attempts of a template used of a unit, newest first: where estimates come from.
create table ops.usage_samples (
  workspace     text      not null,
  template_name text      not null,
  unit          text      not null,
  samples       numeric[] not null,
  constraint usage_samples_pkey primary key (workspace, template_name, unit)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- Warnings that a budget reached a threshold.
create table ops.budget_warnings (
  warning_id   bigint      generated always as identity,
  budget_id    bigint      not null,
  period_start timestamptz not null,
  threshold    int         not null,             -- percent of the limit
  used         numeric     not null,
  "limit"      numeric     not null,
  at           timestamptz not null,
  constraint budget_warnings_pkey primary key (warning_id),
  constraint budget_warnings_budget_fkey foreign key (budget_id) references ops.budgets (budget_id)
);

-- tables/098_lineage.sql
-- OpenLineage events, an outbox: made by the reactor of the events of runs, in their order, each once; sent to whoever
-- is told of them, and kept for the graph of lineage.
create table ops.lineage (
  lineage_id bigint      generated always as identity,
  run_id     uuid        not null,
  event_seq  bigint      not null,               -- of the run's event that it tells of
  event_type text        not null,
  body       jsonb       not null,               -- as it is sent
  state      text        not null default 'pending',
  made_at    timestamptz not null,
  settled_at timestamptz,
  error      text,                               -- why whoever was told refused it
  constraint lineage_pkey primary key (lineage_id),
  constraint lineage_once unique (run_id, event_seq),
  constraint lineage_event_type check (event_type in ('START', 'RUNNING', 'COMPLETE', 'FAIL', 'ABORT')),
  -- kept: there was nobody to send it to
  constraint lineage_state check (state in ('pending', 'sent', 'refused', 'kept')),
  constraint lineage_settled_at check ((state = 'pending') = (settled_at is null))
) with (autovacuum_vacuum_scale_factor = 0.02);
create index lineage_pending on ops.lineage (lineage_id) where state = 'pending';

-- Which run read and made which data: the edges of the graph.
create table ops.lineage_edges (
  run_id    uuid not null,
  side      text not null,
  namespace text not null,
  name      text not null,
  version   text not null default '',
  constraint lineage_edges_pkey primary key (run_id, side, namespace, name, version),
  constraint lineage_edges_side check (side in ('input', 'output'))
);
create index lineage_edges_data on ops.lineage_edges (namespace, name, side);

insert into ops.duties (name, ran_at) values ('lineage', '-infinity');

-- tables/100_schema_migrations.sql
-- Which migrations this database has. compatible_from: the oldest version whose program still runs on this schema.
create table ops.schema_migrations (
  version         int         not null,
  name            text        not null,
  sha256          text        not null,
  compatible_from int         not null,
  applied_at      timestamptz not null default pg_catalog.now(),
  applied_by      text        not null default session_user,
  constraint schema_migrations_pkey primary key (version),
  constraint schema_migrations_sha256_hex check (sha256 ~ '^[0-9a-f]{64}$'),
  constraint schema_migrations_compatible check (compatible_from between 1 and version)
);

-- tables/110_edge.sql
-- What the executor plane's edge needs: settings of registration, sessions and login codes, and an index.
insert into ops.settings (key, value) values
  -- executor kinds that may register
  ('kinds', '["python", "notebook", "dbt", "trino", "spark", "duckdb", "command"]'),
  ('contract_versions', '["1.0", "1.1"]'),       -- what this schema speaks, oldest first
  ('heartbeat_seconds', '20'),                   -- told to executors; a third of the default lease
  ('order_milliseconds', '700'),                 -- within which one that cannot wait for orders hears of them
  ('login_code_seconds', '600'),
  ('session_seconds', '43200');

-- Whether bytes are in the store already is asked at every artifact's begin.
create index artifacts_object on ops.artifacts (object_key) where state in ('begun', 'recorded', 'visible');

-- tables/120_provenance.sql
-- Manifests: what a run that has ended read, ran and wrote, by digest, as it was on record when the manifest was made.
-- `text` is canonical JSON (RFC 8785), exactly as it was hashed and signed. See ops.manifest_parts.

-- Public keys (Ed25519) of those that sign; never removed, so that what they signed can be verified for ever.
create table ops.signing_keys (
  key_id     text        not null,               -- sha256 of the raw public key, hex
  public_key bytea       not null,               -- raw
  valid_from timestamptz not null,
  retired_at timestamptz,                        -- what says to be made from then on is not this key's
  constraint signing_keys_pkey primary key (key_id),
  constraint signing_keys_public_key check (length(public_key) = 32),
  constraint signing_keys_id check (key_id = encode(sha256(public_key), 'hex')),
  constraint signing_keys_times check (retired_at >= valid_from)
);
-- one signs at a time
create unique index signing_keys_in_force on ops.signing_keys ((true)) where retired_at is null;

create table ops.manifests (
  run_id   uuid        not null,
  text     text        not null,
  sha256   text        not null,                 -- of the text
  root     text        not null,                 -- of the Merkle tree over its parts
  envelope jsonb,                                -- DSSE; null: made where no key was configured
  key_id   text,
  made_at  timestamptz not null,
  constraint manifests_pkey primary key (run_id),
  constraint manifests_run_fkey foreign key (run_id) references ops.runs (run_id),
  constraint manifests_key_fkey foreign key (key_id) references ops.signing_keys (key_id),
  constraint manifests_sha256 check (sha256 = encode(sha256(convert_to(text, 'UTF8')), 'hex')),
  constraint manifests_root_hex check (root ~ '^[0-9a-f]{64}$'),
  constraint manifests_signed check ((envelope is null) = (key_id is null))
);

-- functions/core/alive_executors.sql
-- The executors of a kind that have been heard of lately and have not left, by number.
create or replace function ops.alive_executors(p_kind text) returns ops.executors[]
language sql stable set search_path = ''
as $$
  select array(
    select e from ops.executors e
     where e.kind = p_kind and e.state <> 'left'
       and e.last_seen_at > ops.now() - ops.seconds(ops.setting_number('executor_alive_seconds'))
     order by e.number)
$$;

-- functions/core/announce.sql
-- Emit: of these new runs, those that are ready can be found by claims and are announced to waiting ones.
create or replace function ops.announce(p_run_ids uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  perform ops.announce_all(p_run_ids, '{}');
end
$$;

-- functions/core/announce_all.sql
-- Emit: new runs can be found by claims and are announced to waiting ones: those of p_run_ids that are ready, and those
-- of which is only known where and how many stand (p_ready). At most one notification.
create or replace function ops.announce_all(p_run_ids uuid[], p_ready ops.ready_place[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_ready uuid[] := array(select r.run_id from ops.runs r where r.run_id = any (p_run_ids) and r.state = 'queued');
begin
  if cardinality(v_ready) > 0 then
    perform ops.ensure_floors(v_ready);
  end if;
  if cardinality(p_ready) > 0 then
    perform ops.ensure_places(p_ready);
  end if;
  perform ops.notify_ready(array(select n.kind from unnest(p_ready) n cross join lateral generate_series(1, n.runs))
                           || array(select r.kind from ops.runs r where r.run_id = any (v_ready)));
end
$$;

-- functions/core/announce_freed.sql
-- Emit: these concurrency keys (ops.key_of) have a slot again, one for each time that a key is named; of every kind as
-- many runs that queue for a key are announced as can start. One index probe for each key and kind.
create or replace function ops.announce_freed(p_keys text[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if coalesce(cardinality(p_keys), 0) = 0 then
    return;
  end if;
  perform ops.notify_ready(array(
    select q.kind from (select k.key, count(*) as freed from unnest(p_keys) k (key) group by k.key) n
     cross join lateral ops.split_keys(array[n.key]) s
      join ops.free_slots(p_keys, '{}') f on f.key = n.key and f.free > 0
     cross join (select distinct x.kind from ops.queue_floors x) e
     cross join lateral (
       select r.kind from ops.runs r
        where r.workspace = s.workspace and r.concurrency_key = s.key and r.state = 'queued' and r.kind = e.kind
          and not r.paused
        limit least(n.freed, f.free)) q));
end
$$;

-- functions/core/append_events.sql
-- Emit: one event of the same type for each run, chained. The caller holds the runs' locks and has made the change, so
-- the state told is the new one. p_data: one object per run, or null; p_epoch: null means each run's own.
-- Nobody is notified: readers look for themselves (see adr/0005).
-- The stored canonical text is what is hashed: hash = sha256(prev_hash || utf8(canonical)).
create or replace function ops.append_events(
  p_run_ids uuid[], p_type text, p_actor text, p_data jsonb[] default null, p_epoch bigint default null)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := ops.now();
begin
  with fresh as materialized (
    select r.run_id, r.event_seq + 1 as seq, coalesce(p_epoch, r.epoch) as epoch, r.event_head as prev_hash,
           greatest(r.event_xid, pg_current_xact_id()) as xid,
           ops.canonical_event(r.run_id, r.event_seq + 1, v_now, p_type, coalesce(p_epoch, r.epoch), p_actor,
             jsonb_build_object('state', r.state, 'state_reason', r.state_reason)
               || coalesce(t.data, '{}')) as canonical
      from unnest(p_run_ids, p_data) as t (run_id, data)
      join ops.runs r on r.run_id = t.run_id
  ), hashed as materialized (
    select f.*, sha256(f.prev_hash || convert_to(f.canonical, 'UTF8')) as hash from fresh f
  ), advanced as (
    update ops.runs r set event_seq = h.seq, event_head = h.hash, event_xid = h.xid from hashed h where r.run_id = h.run_id
  )
  insert into ops.events (run_id, seq, at, type, epoch, canonical, prev_hash, hash, xid)
  select h.run_id, h.seq, v_now, p_type, h.epoch, h.canonical, h.prev_hash, h.hash, h.xid from hashed h;
end
$$;

-- functions/core/body_epoch.sql
-- Guard: the epoch of an attempt-side body, a whole number of at least 1. Raises OPV01.
create or replace function ops.body_epoch(p_body jsonb) returns bigint
language plpgsql immutable set search_path = ''
as $$
begin
  if jsonb_typeof(p_body -> 'epoch') is distinct from 'number' or (p_body ->> 'epoch') !~ '^[0-9]{1,18}$' then
    perform ops.fail('OPV01', 'epoch must be a whole number',
                     '{"errors": [{"path": "/epoch", "message": "must be a whole number"}]}',
                     'Send the epoch that the claim answered.');
  end if;
  return (p_body ->> 'epoch')::bigint;
end
$$;

-- functions/core/budget_lines.sql
-- What an attempt of a run would reserve now, a line for each budget, by budget; null when none applies.
create or replace function ops.budget_lines(p_workspace text, p_template_name text, p_declared jsonb, p_caps jsonb)
returns ops.budget_line[]
language sql stable set search_path = ''
as $$
  select nullif(array(
    select row(b.budget_id, ops.period_start(b.period, b.timezone, ops.now()),
               ops.estimated(b.unit, u.samples, p_declared, p_caps), null)::ops.budget_line
      from ops.budgets_of(p_workspace, p_template_name) b
      left join ops.usage_samples u
        on u.workspace = p_workspace and u.template_name = p_template_name and u.unit = b.unit
     order by b.budget_id), '{}')
$$;

-- functions/core/budget_text.sql
-- One of ops.full_budgets as words.
create or replace function ops.budget_text(p_full jsonb) returns text
language sql immutable parallel safe set search_path = ''
as $$
  select format('%s has %s of %s %s %s left, this run is expected to take %s',
    case p_full ->> 'scope' when 'platform' then 'the platform' when 'workspace' then 'workspace ' || (p_full ->> 'workspace')
         else format('template %s of workspace %s', p_full ->> 'template_name', p_full ->> 'workspace') end,
    trim_scale(greatest(0, (p_full ->> 'limit')::numeric - (p_full ->> 'used')::numeric
                           - (p_full ->> 'reserved')::numeric)),
    trim_scale((p_full ->> 'limit')::numeric), p_full ->> 'unit',
    case p_full ->> 'period' when 'total' then 'in all' else 'a ' || (p_full ->> 'period') end,
    trim_scale((p_full ->> 'estimate')::numeric))
$$;

-- functions/core/budget_units.sql
-- What a budget may be in: cost, units of usage, runs, and runs at a time.
create or replace function ops.budget_units() returns jsonb
language sql immutable parallel safe
return '["cost", "runs", "concurrency", "wall_seconds", "cpu_seconds", "scanned_bytes", "written_bytes", "rows_out",
         "log_bytes", "artifact_bytes", "artifact_count"]'::jsonb;

-- functions/core/budgets_of.sql
-- The budgets that the runs of a template count against.
create or replace function ops.budgets_of(p_workspace text, p_template_name text) returns setof ops.budgets
language sql stable set search_path = ''
as $$
  select b from ops.budgets b
   where b.removed_at is null
     and (b.scope = 'platform' or (b.workspace = p_workspace
          and (b.scope = 'workspace' or b.template_name = p_template_name)))
$$;

-- functions/core/bundle_ref.sql
-- A template's bundle as {sha256, size}; null when it has none.
create or replace function ops.bundle_ref(p_spec jsonb) returns jsonb
language sql stable parallel safe
return case when p_spec #>> '{bundle,sha256}' is not null then
  jsonb_build_object('sha256', p_spec #> '{bundle,sha256}', 'size', p_spec #> '{bundle,size}') end;

-- functions/core/cancel_each.sql
-- Mutate and emit: cancel these locked runs, each as its state asks, and have their executors look; those that have
-- ended or are publishing stay. Returns those that ended by it.
create or replace function ops.cancel_each(p_run_ids uuid[], p_reason text, p_force boolean, p_actor text)
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_run   ops.runs;
  v_ended uuid[] := '{}';
  v_asked uuid[] := '{}';
begin
  for v_run in
    select * from ops.runs r where r.run_id = any (p_run_ids) and r.state in ('waiting', 'queued', 'running')
       and r.state_reason is distinct from 'publishing' order by r.run_id
  loop
    if v_run.cancel_requested_at is null then
      update ops.runs set cancel_requested_at = ops.now(), cancel_reason = p_reason where run_id = v_run.run_id;
      perform ops.emit(v_run.run_id, 'run.cancel_requested', null, p_actor, jsonb_build_object('reason', p_reason));
    end if;
    if v_run.state = 'running' then
      v_asked := v_asked || v_run.executor_id;
    end if;
    if v_run.state <> 'running' then
      perform ops.finish_run(v_run.run_id, 'cancelled', null, p_actor);
      v_ended := v_ended || v_run.run_id;
    elsif p_force then
      perform ops.revoke(v_run, p_actor);
      v_ended := v_ended || v_run.run_id;
    end if;
  end loop;
  perform ops.tell_orders(v_asked);
  return v_ended;
end
$$;

-- functions/core/cancel_family.sql
-- Mutate and emit: cancel a run, of a pipeline all its tasks; what follows is settled. The caller has locked the family
-- (ops.lock_family) and checked the run (ops.check_cancel).
create or replace function ops.cancel_family(p_run ops.runs, p_reason text, p_force boolean, p_actor text) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_ended uuid[];
begin
  v_ended := ops.cancel_each(
    array(select r.run_id from ops.runs r
           where (r.run_id = p_run.run_id and r.kind <> 'pipeline') or r.pipeline_run_id = p_run.run_id order by r.run_id),
    p_reason, p_force, p_actor);
  if p_run.kind = 'pipeline' and p_run.cancel_requested_at is null and not ops.is_terminal(p_run.state) then
    update ops.runs set cancel_requested_at = ops.now(), cancel_reason = p_reason where run_id = p_run.run_id;
    perform ops.emit(p_run.run_id, 'run.cancel_requested', null, p_actor, jsonb_build_object('reason', p_reason));
  end if;
  perform ops.settle(v_ended, p_actor);
end
$$;

-- functions/core/cancel_run.sql
-- Cancel a run, or a pipeline with all its children. What does not run yet is cancelled at once; what runs is asked to
-- stop by its next heartbeat, or loses its lease at once with force. Cancelling a cancelled run again is no error.
--   p_body {reason?, force?}
-- Returns the Run. Raises OPU01, OPU02, OPN01, OPC05 with {state} (it has ended another way, or is publishing what was
-- accepted), OPV01.
create or replace function ops.cancel_run(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token  ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id uuid       := ops.resolve_run(p_token_id, p_ref);
  v_reason text       := coalesce(nullif(p_body ->> 'reason', ''), 'cancelled by ' || v_token.name);
  v_run    ops.runs;
begin
  if length(v_reason) > 1000 or jsonb_typeof(p_body -> 'force') not in ('boolean', 'null') then
    perform ops.invalid('/', 'reason must be at most 1000 characters, force true or false');
  end if;
  v_run := ops.lock_family(v_run_id);
  perform ops.check_cancel(v_run);

  perform ops.gather_ready(true);
  perform ops.cancel_family(v_run, v_reason, coalesce((p_body ->> 'force')::boolean, false), 'operator:' || v_token.name);
  perform ops.notify_gathered();
  return ops.run_json(v_run_id);
end
$$;

-- functions/core/canonical_event.sql
-- The canonical text of an event: one JSON object, as jsonb prints it.
create or replace function ops.canonical_event(
  p_run_id uuid, p_seq bigint, p_at timestamptz, p_type text, p_epoch bigint, p_actor text, p_data jsonb)
returns text
language sql stable parallel safe
return jsonb_build_object('run_id', p_run_id, 'seq', p_seq,
                          'at', to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                          'type', p_type, 'epoch', p_epoch, 'actor', p_actor, 'data', p_data)::text;

-- functions/core/canonical_text.sql
-- ops.canonical_event put together from parts, which is several times cheaper, for verbs that write many events of one
-- form. p_at: as ops.iso gives it; p_data: JSON text as jsonb prints it. ops.verify_events holds the two to be alike.
create or replace function ops.canonical_text(
  p_run_id uuid, p_seq bigint, p_at text, p_type text, p_epoch bigint, p_actor text, p_data text)
returns text
language sql stable parallel safe
return concat('{"at": "', p_at, '", "seq": ', p_seq, ', "data": ', p_data, ', "type": "', p_type, '", "actor": ',
              to_json(p_actor), ', "epoch": ', p_epoch, ', "run_id": "', p_run_id, '"}');

-- functions/core/cap_limits.sql
-- Of caps as a template or a submit gives them (a number, or {limit, action, grace_seconds}): {cap: limit} of those
-- that end something; those that only warn are left out.
create or replace function ops.cap_limits(p_caps jsonb) returns jsonb
language sql immutable parallel safe
return (
  select coalesce(jsonb_object_agg(c.key, case jsonb_typeof(c.value) when 'object' then c.value -> 'limit'
                                                              else c.value end), '{}')
    from jsonb_each(coalesce(nullif(p_caps, 'null'), '{}')) c
   where c.value ->> 'action' is distinct from 'warn');

-- functions/core/cap_names.sql
-- The caps there are. Which of them an executor enforces, its capabilities say (`caps`); queue_seconds and cost are
-- enforced here.
create or replace function ops.cap_names() returns jsonb
language sql immutable parallel safe
return '["wall_seconds", "queue_seconds", "cpu_seconds", "memory_bytes", "scanned_bytes", "written_bytes", "rows_out",
         "log_bytes", "artifact_bytes", "artifact_count", "cost"]'::jsonb;

-- functions/core/cap_ordered.sql
-- The error of an attempt that reports that it stopped as it was told, when it was told so because a cap was passed
-- (ops.enforce_costs); else null.
create or replace function ops.cap_ordered(p_attempt ops.attempts, p_body jsonb) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('class', 'resources', 'code', 'cap_exceeded',
           'message', ops.caps_text(jsonb_build_array(ops.cap_entry_json(e)))
                      || '; make the run smaller, or have the cap raised')
    from ops.cap_ledger e
    join ops.runs r on r.run_id = e.run_id and r.cancel_requested_at is null
   where p_body ->> 'outcome' = 'cancelled' and e.run_id = p_attempt.run_id and e.epoch = p_attempt.epoch
     and e.layer = 'control_room' and e.action <> 'warned'
   order by e.entry_id limit 1
$$;

-- functions/core/cap_rules.sql
-- Of caps as a template or a submit gives them: {cap: {action, grace_seconds, warn}}, what they say beside the limit
-- (warn: the limit at which is warned); null when they say nothing.
create or replace function ops.cap_rules(p_caps jsonb) returns jsonb
language sql immutable parallel safe
return (
  select jsonb_object_agg(x.key, x.rule)
    from (select c.key, case when c.value ->> 'action' = 'warn' then jsonb_build_object('warn', c.value -> 'limit')
                             else jsonb_strip_nulls(c.value - 'limit') end as rule
            from jsonb_each(coalesce(nullif(p_caps, 'null'), '{}')) c where jsonb_typeof(c.value) = 'object') x
   where x.rule <> '{}');

-- functions/core/cap_strength.sql
-- How much an action of a cap ends: cut (the log alone), cancel, kill; null of null.
create or replace function ops.cap_strength(p_action text) returns int
language sql immutable parallel safe
return array_position('{cut,cancel,kill}'::text[], p_action);

-- functions/core/caps_met.sql
-- The caps that stopped an attempt: [{cap, limit, observed, overshoot, layer}]; [] unless it was capped.
create or replace function ops.caps_met(p_attempt ops.attempts) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('cap', l.cap, 'limit', l."limit", 'observed', l.observed,
                                               'overshoot', l.overshoot, 'layer', l.layer) order by l.entry_id), '[]')
    from ops.cap_ledger l
   where (p_attempt).outcome = 'capped' and l.run_id = (p_attempt).run_id and l.epoch = (p_attempt).epoch
     and l.action not in ('warned', 'cut')
$$;

-- functions/core/caps_text.sql
-- ops.caps_met as words; null when there are none.
create or replace function ops.caps_text(p_caps jsonb) returns text
language sql immutable parallel safe set search_path = ''
as $$
  select string_agg(format('%s reached %s, its limit is %s', c ->> 'cap', c ->> 'observed', c ->> 'limit'), '; ')
    from jsonb_array_elements(p_caps) c
$$;

-- functions/core/carry_claims.sql
-- Mutate: start runs for the claims of a batch and answer them. Claims of one filter are picked for together and are
-- served in their order. The caller has locked the concurrency keys ahead (ops.lock_keys_ahead) if there are any;
-- budgets are locked once, when all is picked.
create or replace function ops.carry_claims(p_claims ops.member_claim[]) returns ops.member_answer[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_new    ops.member_claim[];
  v_starts ops.member_start[] := '{}';
  v_filter bytea;
begin
  v_new := array(select c from unnest(p_claims) c where c.repeated is null and c.same_as = c.ordinal order by c.ordinal);
  for v_filter in select distinct c.filter from unnest(v_new) c order by c.filter loop
    v_starts := v_starts || ops.share_out(
      array(select c from unnest(v_new) c where c.filter = v_filter order by c.ordinal),
      array(select s.run_id from unnest(v_starts) s));
  end loop;
  v_starts := ops.start_runs(ops.reserve_budgets(v_starts));
  if cardinality(v_starts) > 0 then
    perform ops.start_pipelines(v_starts);
    perform ops.remember_claims(v_new, v_starts);
  end if;
  return ops.claim_answers(p_claims, v_starts);
end
$$;

-- functions/core/check_attempt_owner.sql
-- Guard: the run is of a workspace of the token, and the attempt (run, epoch), if there is one, belongs to an executor
-- that this token registered. Of a foreign run nothing is told, not that it is there. Raises OPN01, OPU02.
create or replace function ops.check_attempt_owner(p_token ops.tokens, p_run_id uuid, p_epoch bigint) returns void
language plpgsql stable set search_path = ''
as $$
begin
  if exists (select from ops.runs r where r.run_id = p_run_id and r.workspace <> all ((p_token).workspaces)) then
    perform ops.fail('OPN01', format('there is no run %s', p_run_id));
  elsif exists (select from ops.attempts a join ops.executors e on e.executor_id = a.executor_id
              where a.run_id = p_run_id and a.epoch = p_epoch and e.token_id <> (p_token).token_id) then
    perform ops.fail('OPU02', format('epoch %s of run %s belongs to an executor of another token', p_epoch, p_run_id));
  end if;
end
$$;

-- functions/core/check_budget_room.sql
-- Guard: at a submit, the budgets that refuse have room for the run as it is expected to be. Others let it wait.
-- Raises OPX02 with {budget_id, scope, unit, period, limit, used, reserved, estimate}.
create or replace function ops.check_budget_room(p_workspace text, p_template_name text, p_spec jsonb, p_caps jsonb)
returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_full jsonb;
begin
  for v_full in
    select f.value from jsonb_array_elements(ops.full_budgets(
      ops.budget_lines(p_workspace, p_template_name, p_spec -> 'estimate', p_caps))) f
  loop
    if v_full ->> 'policy' = 'refuse' then
      perform ops.fail('OPX02', ops.budget_text(v_full), v_full,
        case when v_full ->> 'period_end' is null then 'Have the budget raised.'
             else format('Submit it after %s, or have the budget raised.', v_full ->> 'period_end') end);
    end if;
  end loop;
end
$$;

-- functions/core/check_cancel.sql
-- Guard: a run that has not ended another way and whose report is not accepted. Raises OPC05.
create or replace function ops.check_cancel(p_run ops.runs) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if p_run.state in ('succeeded', 'failed', 'skipped') then
    perform ops.fail('OPC05', format('run %s has %s already', p_run.number, p_run.state),
      jsonb_build_object('state', p_run.state), 'Only a run that has not ended can be cancelled.');
  elsif p_run.state_reason = 'publishing' then
    perform ops.fail('OPC05', format('run %s has succeeded and is publishing its outputs', p_run.number),
      jsonb_build_object('state', p_run.state, 'state_reason', p_run.state_reason), 'Wait until it has ended.');
  end if;
end
$$;

-- functions/core/check_cap_action.sql
-- Guard: action and grace_seconds of {action, grace_seconds}; either may be left out. Raises OPV01 below p_path.
create or replace function ops.check_cap_action(p_path text, p_cap text, p_value jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_action text  := p_value ->> 'action';
  v_grace  jsonb := nullif(p_value -> 'grace_seconds', 'null');
begin
  if v_action not in ('warn', 'cancel', 'kill', 'cut') then
    perform ops.invalid(p_path || '/action', 'must be warn, cancel, kill or cut');
  elsif v_action = 'cut' and p_cap <> 'log_bytes' then
    perform ops.invalid(p_path || '/action', 'only a log can be cut');
  elsif p_cap = 'queue_seconds' and (v_action <> 'cancel' or v_grace is not null) then
    perform ops.invalid(p_path || '/action', 'a run that waits too long ends: there is no other action, and no grace');
  elsif v_grace is not null and (jsonb_typeof(v_grace) <> 'number' or v_grace::text::numeric not between 0 and 3600) then
    perform ops.invalid(p_path || '/grace_seconds', 'must be a number from 0 to 3600');
  elsif v_grace::text::numeric > 0 and v_action <> 'cancel' then
    perform ops.invalid(p_path || '/grace_seconds', 'is for the action cancel');
  end if;
end
$$;

-- functions/core/check_cap_value.sql
-- Guard: what a body gives for a cap: a number above 0, or {limit, action, grace_seconds}, of which the limit is
-- needed. A whole number for what is counted: executors hold these as integers of 64 bits. Raises OPV01 at p_path.
create or replace function ops.check_cap_value(p_path text, p_cap text, p_value jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_object boolean := jsonb_typeof(p_value) = 'object';
  v_limit  jsonb   := case when v_object then p_value -> 'limit' else p_value end;
  v_at     text    := p_path || case when v_object then '/limit' else '' end;
begin
  if not ops.cap_names() ? p_cap then
    perform ops.invalid(p_path, 'there is no such cap');
  elsif coalesce(jsonb_typeof(v_limit), '') <> 'number' or v_limit::text::numeric <= 0 then
    perform ops.invalid(v_at, 'must be a number above 0');
  elsif v_limit::text::numeric > 1e18 then
    perform ops.invalid(v_at, 'must be at most 1e18');
  elsif p_cap not in ('wall_seconds', 'queue_seconds', 'cpu_seconds', 'cost') and v_limit::text::numeric % 1 <> 0 then
    perform ops.invalid(v_at, 'must be a whole number');
  elsif v_object then
    perform ops.check_cap_action(p_path, p_cap, p_value);
  end if;
end
$$;

-- functions/core/check_claim.sql
-- Guard: the shape of a claim. Raises OPV01.
create or replace function ops.check_claim(p_body jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if coalesce(p_body ->> 'request_id', '') !~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    perform ops.invalid('/request_id', 'must be a UUID');
  elsif coalesce(p_body ->> 'max_runs', '') !~ '^[0-9]{1,3}$' or (p_body ->> 'max_runs')::int not between 1 and 100 then
    perform ops.invalid('/max_runs', 'must be between 1 and 100');
  elsif jsonb_typeof(p_body -> 'queues') not in ('array', 'null') then
    perform ops.invalid('/queues', 'must be a list of names or null');
  end if;
end
$$;

-- functions/core/check_error.sql
-- Guard: an error is {class, code, message, ...} with one of the four classes. Raises OPV01.
create or replace function ops.check_error(p_error jsonb) returns jsonb
language plpgsql immutable set search_path = ''
as $$
begin
  if jsonb_typeof(p_error) is distinct from 'object' then
    perform ops.invalid('/error', 'must be an object with class, code and message');
  elsif coalesce(p_error ->> 'class', '') not in ('user', 'external', 'internal', 'resources') then
    perform ops.invalid('/error/class', 'must be user, external, internal or resources');
  elsif coalesce(p_error ->> 'code', '') = '' or jsonb_typeof(p_error -> 'message') is distinct from 'string' then
    perform ops.invalid('/error', 'code and message are required');
  end if;
  return p_error;
end
$$;

-- functions/core/check_inputs.sql
-- Guard: what a new run takes from its parents is of the kind that its template declares (ops.input_wrong), whichever
-- way it came to them: a submit, a task of a pipeline whose templates have changed since, a rerun by a newer version.
-- p_task: its key in a pipeline, or null. p_depends: as ops.create_run takes them. Raises OPV05.
create or replace function ops.check_inputs(p_template ops.templates, p_task text, p_depends jsonb) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_found record;
begin
  select i.key as input, ops.input_wrong(p_template, i.key, r, i.value) as wrong into v_found
    from jsonb_array_elements(p_depends) d
    join ops.runs r on r.run_id = (d ->> 'depends_on')::uuid
   cross join lateral jsonb_each_text(coalesce(d -> 'inputs', '{}')) i
   where ops.input_wrong(p_template, i.key, r, i.value) is not null
   order by i.key limit 1;
  if found then
    perform ops.dependency_invalid(coalesce('/tasks/' || p_task, '') || '/inputs/' || v_found.input, v_found.wrong,
                                   'Declare the input of this kind in its template, or name another output.');
  end if;
end
$$;

-- functions/core/check_latest.sql
-- Guard: the parameters of a rerun by the newest version were checked by that version. p_keep {task key: run_id}: tasks
-- that are not run again. Raises OPC12 {template, version, keep: [task key]}, which says by what to check them.
-- A template that became a pipeline, or is none any more, is another thing: OPV01.
create or replace function ops.check_latest(p_run ops.runs, p_template ops.templates, p_checked jsonb, p_keep jsonb)
returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if (p_run.kind = 'pipeline') <> (p_template.kind = 'pipeline') then
    perform ops.invalid('/template', format('template %s is of kind %s in version %s, run %s was of kind %s',
      p_template.name, p_template.kind, p_template.version, p_run.number, p_run.kind), 'Submit it anew.');
  elsif (p_checked ->> 'template_version')::int is distinct from p_template.version then
    perform ops.fail('OPC12', format('the parameters were not checked by version %s of template %s, the newest',
        p_template.version, p_template.name),
      jsonb_build_object('template', p_template.name, 'version', p_template.version,
                         'keep', array(select jsonb_object_keys(p_keep) order by 1)), 'Send it again.');
  end if;
end
$$;

-- functions/core/check_location.sql
-- Guard: an Iceberg table's commit says where its files lie. Raises OPV01.
create or replace function ops.check_location(p_publication ops.publications, p_location text) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if p_publication.format = 'iceberg' and coalesce(p_location, '') !~ '^[a-z][a-z0-9+.-]*://[^/]' then
    perform ops.invalid('/location', 'must say where the Iceberg table''s files lie, as in s3://bucket/place');
  end if;
end
$$;

-- functions/core/check_not_held.sql
-- Guard: a task is not run again by itself before the runs have ended that its pipeline run waits for, or waited for
-- until it was cancelled: what it would read may not be there yet. Raises OPC05 {state, pipeline_run_id, number}.
create or replace function ops.check_not_held(p_run ops.runs) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_pipeline ops.runs;
  v_open     text;
begin
  select * into v_pipeline from ops.runs p where p.run_id = p_run.pipeline_run_id;
  select string_agg(o.number::text, ', ' order by o.number) into v_open
    from ops.run_dependencies d join ops.runs o on o.run_id = d.depends_on
   where d.run_id = v_pipeline.run_id and not ops.is_terminal(o.state);
  if v_pipeline.state_reason = 'waiting_on_dependency' then
    perform ops.fail('OPC05', format('run %s is a task of pipeline run %s, which waits for other runs', p_run.number,
        v_pipeline.number),
      jsonb_build_object('state', p_run.state, 'pipeline_run_id', p_run.pipeline_run_id, 'number', v_pipeline.number),
      format('Retry it when run %s has started, or cancel that one and submit it anew.', v_pipeline.number));
  elsif v_open is not null then
    perform ops.fail('OPC05', format('run %s is a task of pipeline run %s, which was to wait for runs that have not ended: %s',
        p_run.number, v_pipeline.number, v_open),
      jsonb_build_object('state', p_run.state, 'pipeline_run_id', p_run.pipeline_run_id, 'number', v_pipeline.number),
      format('Retry it when they have ended, or retry run %s, which waits for them.', v_pipeline.number));
  end if;
end
$$;

-- functions/core/check_not_retried.sql
-- Guard: a run's work is tried by one run at a time: two would write the same outputs side by side. Call it with
-- ops.lock_tries. Raises OPC05 {state, run_id, number} of a run with the same first try that has not ended.
create or replace function ops.check_not_retried(p_run ops.runs) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_open record;
begin
  with recursive tries as (
    select r.run_id, r.number, r.state from ops.runs r where r.run_id = ops.first_try(p_run.run_id)
    union all
    select r.run_id, r.number, r.state from tries t join ops.runs r on r.retry_of = t.run_id)
  select t.run_id, t.number, t.state into v_open from tries t
   where not ops.is_terminal(t.state) and t.run_id <> p_run.run_id order by t.number limit 1;
  if found then
    perform ops.fail('OPC05', format('run %s is being retried, by run %s, which is %s', p_run.number, v_open.number,
                                     v_open.state),
      jsonb_build_object('state', p_run.state, 'run_id', v_open.run_id, 'number', v_open.number),
      format('Wait for run %s, or cancel it; a run beside it is a new submit.', v_open.number));
  end if;
end
$$;

-- functions/core/check_param.sql
-- Guard: a referenced parameter has a value. Raises OPV02.
create or replace function ops.check_param(p_params jsonb, p_name text, p_path text) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if p_params ->> p_name is null then
    perform ops.params_invalid(coalesce(nullif(p_path, ''), '/'), format('there is no parameter %s', p_name));
  end if;
end
$$;

-- functions/core/check_parent_inputs.sql
-- Guard: the inputs {name: output} that a new run takes from one parent, of the kind that its template declares
-- (ops.input_wrong). p_taken: those of the parents before it. Raises OPV05.
create or replace function ops.check_parent_inputs(
  p_path text, p_inputs jsonb, p_taken jsonb, p_parent ops.runs, p_template ops.templates)
returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_declared jsonb := coalesce(nullif(p_template.spec -> 'inputs', 'null'), '[]');
  v_input    record;
  v_wrong    text;
begin
  if jsonb_typeof(p_inputs) <> 'object' then
    perform ops.dependency_invalid(p_path, 'must be an object of input names and output names');
  elsif p_inputs <> '{}' and p_parent.kind = 'pipeline' then
    perform ops.dependency_invalid(p_path, format('run %s is a pipeline, which has no outputs of its own',
      p_parent.number), 'Name the run of the task that has the output.');
  elsif p_inputs <> '{}' and p_template.kind = 'pipeline' then
    perform ops.dependency_invalid(p_path, 'a pipeline has no inputs of its own', 'Its tasks say what they read.');
  end if;
  for v_input in select i.key, i.value from jsonb_each(p_inputs) i order by i.key loop
    if not v_declared @> jsonb_build_array(jsonb_build_object('name', v_input.key)) then
      perform ops.dependency_invalid(p_path || '/' || v_input.key, format('template %s has no input %s', p_template.name,
        left(v_input.key, 80)), 'Declare it under `inputs` in the template.');
    elsif p_taken ? v_input.key then
      perform ops.dependency_invalid(p_path || '/' || v_input.key, 'comes from two runs');
    elsif jsonb_typeof(v_input.value) <> 'string' then
      perform ops.dependency_invalid(p_path || '/' || v_input.key, 'must be the name of an output');
    end if;
    v_wrong := ops.input_wrong(p_template, v_input.key, p_parent, v_input.value #>> '{}');
    if v_wrong is not null then
      perform ops.dependency_invalid(p_path || '/' || v_input.key, v_wrong,
                                     'Declare the input of this kind in the template, or name another output.');
    end if;
  end loop;
end
$$;

-- functions/core/check_pipeline_submit.sql
-- Guard: a pipeline run is never claimed, so what rules claims and attempts has no effect on it and is refused, not
-- ignored: OPV01. Its caps are passed down to its tasks.
create or replace function ops.check_pipeline_submit(p_template ops.templates, p_body jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_name text;
begin
  if p_template.kind <> 'pipeline' then
    return;
  end if;
  foreach v_name in array array['max_attempts', 'retry', 'lease_seconds', 'concurrency_key', 'concurrency_limit'] loop
    if p_body ->> v_name is not null then
      perform ops.invalid('/' || v_name, 'has no effect on a pipeline, whose tasks are claimed one by one',
                          format('Say it in the templates of its tasks, and leave %s out.', v_name));
    end if;
  end loop;
end
$$;

-- functions/core/check_publication.sql
-- Guard: one publication of a report is of an output that its run declares, with the format, uri and mode fixed at
-- submit (delta when it says no format), and of an object it is one file without rows. Raises OPV01.
create or replace function ops.check_publication(p_run ops.runs, p_item jsonb) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_planned jsonb;
begin
  select o into v_planned from jsonb_array_elements(p_run.outputs) o where o ->> 'name' = p_item ->> 'output';
  if v_planned is null then
    perform ops.invalid('/publications', format('the run declares no output %s', p_item ->> 'output'));
  elsif (coalesce(p_item ->> 'format', 'delta'), p_item ->> 'uri', p_item ->> 'mode')
        is distinct from (v_planned ->> 'format', v_planned ->> 'uri', v_planned ->> 'mode') then
    perform ops.invalid('/publications', format('output %s: format, uri and mode must be %s, %s, %s',
      p_item ->> 'output', v_planned ->> 'format', v_planned ->> 'uri', v_planned ->> 'mode'));
  elsif jsonb_typeof(p_item -> 'files') is distinct from 'array' then
    perform ops.invalid('/publications', format('output %s: files must be a list', p_item ->> 'output'));
  elsif v_planned ->> 'format' = 'object'
        and (jsonb_array_length(p_item -> 'files') <> 1 or coalesce(p_item ->> 'rows', '0') <> '0') then
    perform ops.invalid('/publications', format('output %s: an object is one file, of 0 rows', p_item ->> 'output'));
  end if;
end
$$;

-- functions/core/check_publish.sql
-- Guard: the shape of a publication's commit. table_version: an Iceberg snapshot id has 63 bits. Raises OPV01.
create or replace function ops.check_publish(p_body jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if coalesce(p_body ->> 'state', '') not in ('committed', 'failed') then
    perform ops.invalid('/state', 'must be committed or failed');
  elsif p_body ->> 'state' = 'failed' then
    perform ops.check_error(p_body -> 'error');
  elsif coalesce(p_body ->> 'table_version', '') !~ '^[0-9]{1,19}$' then
    perform ops.invalid('/table_version', 'must be a whole number of at least 0');
  elsif (p_body ->> 'table_version')::numeric > 9223372036854775807 then
    perform ops.invalid('/table_version', 'must be at most 9223372036854775807');
  elsif coalesce(p_body ->> 'rows', '0') !~ '^[0-9]{1,18}$' then
    perform ops.invalid('/rows', 'must be a whole number of at least 0');
  elsif coalesce(jsonb_typeof(p_body -> 'location'), 'null') not in ('null', 'string')
        or length(p_body ->> 'location') not between 1 and 2048 then
    perform ops.invalid('/location', 'must be text of 1 to 2048 characters');
  end if;
end
$$;

-- functions/core/check_report.sql
-- Guard: the shape of a report. Raises OPV01.
create or replace function ops.check_report(p_body jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_outcome text := coalesce(p_body ->> 'outcome', '');
begin
  perform ops.body_epoch(p_body);
  if v_outcome not in ('succeeded', 'failed', 'cancelled', 'capped') then
    perform ops.invalid('/outcome', 'must be succeeded, failed, cancelled or capped');
  elsif jsonb_typeof(p_body -> 'idempotency_key') is distinct from 'string'
        or length(p_body ->> 'idempotency_key') not between 1 and 200 then
    perform ops.invalid('/idempotency_key', 'must be text of 1 to 200 characters');
  elsif v_outcome in ('failed', 'capped') then
    perform ops.check_error(p_body -> 'error');
  end if;
  if v_outcome <> 'succeeded' and coalesce(nullif(p_body -> 'publications', 'null'), '[]') <> '[]' then
    perform ops.invalid('/publications', 'only a succeeded attempt publishes');
  end if;
end
$$;

-- functions/core/check_report_key.sql
-- Guard: the idempotency key has not reported another attempt of this executor. The caller holds the key's advisory
-- lock. Raises OPC03.
create or replace function ops.check_report_key(p_attempt ops.attempts, p_key text) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_other ops.attempts;
begin
  select * into v_other from ops.attempts a
   where a.executor_id = p_attempt.executor_id and a.idempotency_key = p_key
     and (a.run_id, a.epoch) <> (p_attempt.run_id, p_attempt.epoch);
  if v_other.run_id is not null then
    perform ops.fail('OPC03', format('idempotency key %s reported epoch %s of run %s',
        p_key, v_other.epoch, v_other.run_id),
      jsonb_build_object('run_id', v_other.run_id, 'epoch', v_other.epoch), 'Use a new key for each attempt.');
  end if;
end
$$;

-- functions/core/check_reschedule.sql
-- Guard: the body of ops.reschedule_run, and a run whose schedule still counts. Raises OPV01, OPC05.
create or replace function ops.check_reschedule(p_run ops.runs, p_body jsonb) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_why text;
begin
  perform ops.check_steerable(p_run);
  if p_run.kind = 'pipeline' then
    return;
  end if;
  v_why := case
    when p_run.state = 'running' then 'is running'
    when p_run.state = 'queued' and (p_body ->> 'not_before')::timestamptz > ops.now()
      then 'is queued already, its time has come'
    when p_run.state_reason in ('rerun_unsafe', 'held_by_rule') and p_body ? 'not_before'
      then 'waits for a person, not for a time' end;
  if v_why is not null then
    perform ops.fail('OPC05', format('run %s %s', p_run.number, v_why),
      jsonb_build_object('state', p_run.state, 'state_reason', p_run.state_reason),
      case p_run.state when 'running' then 'Only a run that waits or is queued can be rescheduled.'
                       when 'queued' then 'Pause it instead.'
                       else 'Retry or cancel it.' end);
  end if;
end
$$;

-- functions/core/check_retry.sql
-- Guard: a retry policy as a submit gives it; null is none. Raises OPV01.
create or replace function ops.check_retry(p_retry jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_name text;
begin
  for v_name in select jsonb_object_keys(p_retry) loop
    if v_name not in ('backoff_seconds', 'backoff_max_seconds', 'on') then
      perform ops.invalid('/retry/' || v_name, 'is no part of a retry policy',
                          'It has backoff_seconds, backoff_max_seconds and on; max_attempts stands beside it.');
    elsif v_name = 'on' then
      if jsonb_typeof(p_retry -> 'on') <> 'array'
         or not '["user", "external", "internal", "resources"]' @> (p_retry -> 'on') then
        perform ops.invalid('/retry/on', 'must list failure classes: user, external, internal, resources');
      end if;
    elsif jsonb_typeof(p_retry -> v_name) <> 'number'
       or (p_retry ->> v_name)::numeric > (case v_name when 'backoff_seconds' then 86400 else 604800 end)
       or (p_retry ->> v_name)::numeric < 0 then
      perform ops.invalid('/retry/' || v_name, 'must be a number of seconds: backoff_seconds up to 86400, '
                          'backoff_max_seconds up to 604800');
    end if;
  end loop;
end
$$;

-- functions/core/check_run.sql
-- Guard: the values of a new run that its CHECKs would refuse, said in words. Raises OPV01.
create or replace function ops.check_run(p_run ops.runs) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if p_run.max_attempts not between 1 and 100 then
    perform ops.invalid('/max_attempts', 'must be between 1 and 100');
  elsif p_run.lease_seconds not between 1 and 3600 then
    perform ops.invalid('/lease_seconds', 'must be between 1 and 3600');
  elsif p_run.condition not in ('all_success', 'all_done', 'at_least_one_success', 'none_failed',
      'at_least_one_failed', 'all_failed') then
    perform ops.fail('OPV05', format('there is no run condition %s', left(p_run.condition, 80)));
  end if;
end
$$;

-- functions/core/check_steerable.sql
-- Guard: a run that has not ended and whose report is not accepted: one that an operator can still steer. Raises OPC05.
create or replace function ops.check_steerable(p_run ops.runs) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if ops.is_terminal(p_run.state) then
    perform ops.fail('OPC05', format('run %s %s %s already', p_run.number,
        case when p_run.state in ('succeeded', 'failed') then 'has' else 'was' end, p_run.state),
      jsonb_build_object('state', p_run.state), 'What has ended is final; `control-room runs retry` makes a new run.');
  elsif p_run.state_reason = 'publishing' then
    perform ops.fail('OPC05', format('run %s has succeeded and is publishing its outputs', p_run.number),
      jsonb_build_object('state', p_run.state, 'state_reason', p_run.state_reason), 'Wait until it has ended.');
  end if;
end
$$;

-- functions/core/check_submit.sql
-- Guard: the shapes that the schema relies on. The server has checked the body against its document before. Raises
-- OPV01, OPV05.
create or replace function ops.check_submit(p_body jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_name text;
begin
  if jsonb_typeof(p_body) is distinct from 'object' then
    perform ops.invalid('/', 'the body must be an object');
  end if;
  foreach v_name in array array['template', 'workspace', 'queue', 'not_before', 'deadline', 'idempotency_key',
                                'concurrency_key', 'dedupe_key', 'condition', 'on_conflict', 'traceparent'] loop
    if p_body ? v_name and jsonb_typeof(p_body -> v_name) not in ('string', 'null') then
      perform ops.invalid('/' || v_name, 'must be text');
    end if;
  end loop;
  foreach v_name in array array['template_version', 'priority', 'max_attempts', 'lease_seconds',
                                'concurrency_limit'] loop
    if p_body ? v_name and coalesce(p_body ->> v_name, '0') !~ '^-?[0-9]{1,9}$' then
      perform ops.invalid('/' || v_name, 'must be a whole number');
    end if;
  end loop;
  foreach v_name in array array['labels', 'caps', 'retry'] loop
    if p_body ? v_name and jsonb_typeof(p_body -> v_name) not in ('object', 'null') then
      perform ops.invalid('/' || v_name, 'must be an object');
    end if;
  end loop;
  if coalesce(p_body ->> 'template', '') = '' then
    perform ops.invalid('/template', 'is required');
  elsif (p_body ->> 'lease_seconds')::int not between 10 and 3600 then
    perform ops.invalid('/lease_seconds', 'must be between 10 and 3600');
  elsif (p_body ->> 'concurrency_limit')::int not between 1 and 10000 then
    perform ops.invalid('/concurrency_limit', 'must be between 1 and 10000');
  end if;
  perform ops.check_retry(nullif(p_body -> 'retry', 'null'));
  perform ops.check_together(p_body);
end
$$;

-- functions/core/check_together.sql
-- Guard: fields of a submit that mean nothing without another. Raises OPV01, OPV05.
create or replace function ops.check_together(p_body jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if coalesce(p_body -> 'depends_on', 'null') = 'null' then
    if p_body ->> 'condition' is not null then
      perform ops.dependency_invalid('/condition', 'has no effect without depends_on', 'Name the runs to wait for.');
    end if;
  elsif jsonb_typeof(p_body -> 'depends_on') <> 'array' or jsonb_array_length(p_body -> 'depends_on') not between 1
        and 100 then
    perform ops.dependency_invalid('/depends_on', 'must list 1 to 100 runs');
  end if;
  if p_body ->> 'on_conflict' not in ('error', 'return', 'replace') then
    perform ops.invalid('/on_conflict', 'must be error, return or replace');
  elsif p_body ->> 'on_conflict' is not null and p_body ->> 'dedupe_key' is null then
    perform ops.invalid('/on_conflict', 'has no effect without dedupe_key', 'Give a dedupe_key, or leave it out.');
  end if;
end
$$;

-- functions/core/check_workspace.sql
-- Guard: the workspace exists and the token may work in it. Raises OPN07, OPU02.
create or replace function ops.check_workspace(p_token ops.tokens, p_workspace text) returns void
language plpgsql stable set search_path = ''
as $$
begin
  if not exists (select from ops.workspaces w where w.workspace = p_workspace) then
    perform ops.fail('OPN07', format('there is no workspace %s', p_workspace), '{}', 'See GET /api/v1/workspaces.');
  end if;
  if p_workspace <> all (p_token.workspaces) then
    perform ops.fail('OPU02', format('token %s may not work in workspace %s', p_token.name, p_workspace),
                     jsonb_build_object('workspaces', p_token.workspaces), 'Use a token of that workspace.');
  end if;
end
$$;

-- functions/core/checked_body.sql
-- Guard: a submit's body with the parameters that the server made of it, defaults filled in, when it checked them by
-- this version of the template. A body that was not checked stays as it is. Raises OPC12 when another one checked it.
create or replace function ops.checked_body(p_template ops.templates, p_body jsonb) returns jsonb
language plpgsql immutable set search_path = ''
as $$
begin
  if coalesce(p_body -> 'checked', 'null') = 'null' then
    return p_body;
  elsif (p_body #>> '{checked,template_version}')::int <> p_template.version then
    perform ops.fail('OPC12', format('template %s got version %s while the parameters were checked by version %s',
        p_template.name, p_template.version, p_body #>> '{checked,template_version}'),
      jsonb_build_object('template', p_template.name, 'version', p_template.version), 'Send it again.');
  end if;
  return (p_body - 'checked') || jsonb_build_object('params', p_body #> '{checked,params}');
end
$$;

-- functions/core/checked_claim.sql
-- Guard and lock: one claim, see ops.checked_claims. Raises OPU01, OPU02, OPN03, OPC09, OPV01, OPC06.
-- p_before: the claims of the batch that were checked already.
create or replace function ops.checked_claim(p_claim jsonb, p_before ops.member_claim[] default '{}')
returns ops.member_claim
language plpgsql volatile set search_path = ''
as $$
declare
  v_body     jsonb := p_claim -> 'body';
  v_executor ops.executors := ops.own_executor((p_claim ->> 'token_id')::uuid, (p_claim ->> 'executor_id')::uuid);
  v_request  ops.claim_requests;
  v_same     ops.member_claim;
begin
  perform ops.check_claim(v_body);
  v_request := ops.repeated_claim(v_executor, v_body);
  if v_request.runs is null and v_executor.state <> 'active' then
    v_request.runs := '[]';
  end if;
  select b.* into v_same from unnest(p_before) b
   where b.executor_id = v_executor.executor_id and b.request_id = v_request.request_id limit 1;
  if v_same.body_digest <> v_request.body_digest then
    perform ops.request_id_conflict(v_request.request_id);
  end if;
  return row((p_claim ->> 'ordinal')::int, v_executor.executor_id, v_request.request_id, v_request.body_digest,
             (v_body ->> 'max_runs')::int, ops.claim_queues(v_body), ops.claim_filter(v_executor, v_body),
             v_request.runs, coalesce(v_same.ordinal, (p_claim ->> 'ordinal')::int));
end
$$;

-- functions/core/checked_claims.sql
-- The claims of a batch that may go on, and the refusals of the others. Locks each request id until the transaction
-- ends, so that a claim that is sent twice at once waits for itself; one that comes twice in the batch is known by
-- `same_as`.
--   p_claims [{ordinal, token_id, executor_id, body}]
create or replace function ops.checked_claims(
  p_claims jsonb, out claims ops.member_claim[], out refusals ops.member_answer[])
language plpgsql volatile set search_path = ''
as $$
declare
  v_done    int[];
  v_claim   jsonb;
  v_code    text;
  v_message text;
  v_members text;
  v_hint    text;
begin
  claims := ops.plain_claims(p_claims);
  refusals := '{}';
  if cardinality(claims) = jsonb_array_length(p_claims) then
    return;
  end if;
  v_done := array(select c.ordinal from unnest(claims) c);
  for v_claim in select c from jsonb_array_elements(p_claims) c where (c ->> 'ordinal')::int <> all (v_done)
                  order by lower(c #>> '{body,request_id}'), (c ->> 'ordinal')::int
  loop
    begin
      claims := claims || ops.checked_claim(v_claim, claims);
    exception when others then
      get stacked diagnostics v_code = returned_sqlstate, v_message = message_text, v_members = pg_exception_detail,
                              v_hint = pg_exception_hint;
      refusals := refusals || (select row((v_claim ->> 'ordinal')::int, r.p_code, r.detail)::ops.member_answer
                                 from ops.refusal(v_code, v_message, v_members, v_hint) r);
    end;
  end loop;
end
$$;

-- functions/core/checked_params.sql
-- The parameters of a run: an object, with the schema's top-level defaults filled in and its required names present.
-- The rest of the JSON Schema is the server's to check. Raises OPV02.
create or replace function ops.checked_params(p_schema jsonb, p_params jsonb) returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  v_params  jsonb := coalesce(nullif(p_params, 'null'), '{}');
  v_missing text;
begin
  if jsonb_typeof(v_params) <> 'object' then
    perform ops.params_invalid('/params', 'must be an object');
  end if;
  if jsonb_typeof(p_schema -> 'properties') = 'object' then
    v_params := (select coalesce(jsonb_object_agg(p.key, p.value -> 'default'), '{}')
                   from jsonb_each(p_schema -> 'properties') p
                  where jsonb_typeof(p.value) = 'object' and p.value ? 'default') || v_params;
  end if;
  if jsonb_typeof(p_schema -> 'required') = 'array' then
    select r into v_missing from jsonb_array_elements_text(p_schema -> 'required') r where not v_params ? r limit 1;
    if v_missing is not null then
      perform ops.params_invalid('/params/' || v_missing, 'is required');
    end if;
  end if;
  return v_params;
end
$$;

-- functions/core/checked_reason.sql
-- The reason that an operator gives in a body, or null. Raises OPV01.
create or replace function ops.checked_reason(p_body jsonb) returns text
language plpgsql immutable set search_path = ''
as $$
begin
  if jsonb_typeof(coalesce(p_body, '{}')) <> 'object' then
    perform ops.invalid('/', 'the body must be an object');
  elsif jsonb_typeof(p_body -> 'reason') not in ('string', 'null') or length(p_body ->> 'reason') > 1000 then
    perform ops.invalid('/reason', 'must be text of at most 1000 characters');
  end if;
  return nullif(p_body ->> 'reason', '');
end
$$;

-- functions/core/checked_schedule.sql
-- Guard: the body of ops.reschedule_run; `not_before: null` means now. Returns {priority?, not_before?}. Raises OPV01.
create or replace function ops.checked_schedule(p_body jsonb) returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  v_schedule jsonb := '{}';
begin
  if coalesce(p_body ->> 'priority', '0') !~ '^-?[0-9]{1,9}$' then
    perform ops.invalid('/priority', 'must be a whole number');
  elsif jsonb_typeof(p_body -> 'not_before') not in ('string', 'null') then
    perform ops.invalid('/not_before', 'must be a time, or null for now');
  elsif p_body ->> 'priority' is null and not p_body ? 'not_before' then
    perform ops.invalid('/', 'names no change', 'Give a priority, or a not_before (null: now).');
  end if;
  if p_body ->> 'priority' is not null then
    v_schedule := jsonb_build_object('priority', p_body -> 'priority');
  end if;
  if p_body ? 'not_before' then
    v_schedule := v_schedule || jsonb_build_object('not_before', p_body -> 'not_before');
  end if;
  return v_schedule;
end
$$;

-- functions/core/claim_answers.sql
-- The ClaimResponse of each claim, as JSON text: the runs started for it, or those of a repeated request that are still
-- held and not reported. What many runs share (template, caps) is made once.
create or replace function ops.claim_answers(p_claims ops.member_claim[], p_starts ops.member_start[])
returns ops.member_answer[]
language plpgsql stable set search_path = ''
as $$
declare
  v_time text := ops.iso(ops.now());
begin
  return array(
    with given as materialized (
      select c.ordinal, s.n, s.executor_id, s.run_id, s.epoch
        from unnest(p_starts) with ordinality s (ordinal, executor_id, run_id, epoch, pipeline_run_id, reserved, n)
        join unnest(p_claims) c on c.same_as = s.ordinal and c.repeated is null
      union all
      select c.ordinal, r.n, c.executor_id, (r.value ->> 'run_id')::uuid, (r.value ->> 'epoch')::bigint
        from unnest(p_claims) c cross join lateral jsonb_array_elements(c.repeated) with ordinality r (value, n)
    ), held as materialized (
      select g.ordinal, g.n, l.* from given g
       cross join lateral (select h.run_id, h.epoch, h.executor_id, h.lease_seconds, h.lease_deadline from ops.leases h
                            where h.run_id = g.run_id and h.reported_at is null offset 0) l
       where l.executor_id = g.executor_id and l.epoch = g.epoch
    ), runs as materialized (
      select h.ordinal, h.n, h.lease_deadline, h.epoch as held, r.run_id, r.number, r.attempt, r.max_attempts, r.workspace,
             r.template_id, r.template_name, r.params, r.inputs, r.outputs, r.caps, r.cap_rules, h.lease_seconds, r.labels,
             r.traceparent, r.pipeline_run_id, r.task_key, r.submitted_by
        from held h cross join lateral (select * from ops.runs u where u.run_id = h.run_id offset 0) r
    ), templates as materialized (
      select t.template_id, ops.claimed_template(t) as part from ops.templates t
       where t.template_id = any (array(select distinct r.template_id from runs r))
    ), caps as materialized (
      select c.workspace, c.template_name, c.own, c.rules, ops.effective_caps(c.workspace, c.template_name, c.own) as caps,
             ops.effective_rules(c.workspace, c.template_name, c.rules) as beside
        from (select distinct r.workspace, r.template_name, r.caps as own, r.cap_rules as rules from runs r) c
    ), documents as (
      select r.ordinal, string_agg(concat(
               '{"run_id": "', r.run_id, '", "number": ', r.number, ', "epoch": ', r.held, ', "attempt": ', r.attempt,
               ', "max_attempts": ', r.max_attempts, ', "workspace": ', to_json(r.workspace), ', "params": ', r.params,
               ', "inputs": ', r.inputs, ', "outputs": ', r.outputs, ', "caps": ', c.caps,
               case when c.beside <> '{}' then concat(', "cap_rules": ', ops.told_rules(c.caps, c.beside)) end,
               ', "lease_seconds": ', r.lease_seconds, ', "lease_deadline": "', ops.iso(r.lease_deadline),
               '", "labels": ', r.labels, ', "traceparent": ', coalesce(to_json(r.traceparent)::text, 'null'),
               ', "pipeline_run_id": ', coalesce('"' || r.pipeline_run_id || '"', 'null'),
               ', "task_key": ', coalesce(to_json(r.task_key)::text, 'null'),
               ', "submitted_by": ', to_json(r.submitted_by), ', ', t.part), ', ' order by r.n) as runs
        from runs r join templates t on t.template_id = r.template_id
        join caps c on (c.workspace, c.template_name, c.own) = (r.workspace, r.template_name, r.caps)
                   and c.rules is not distinct from r.cap_rules
       group by r.ordinal
    )
    select row(c.ordinal, null, concat('{"runs": [', d.runs, '], "server_time": "', v_time, '"}'))::ops.member_answer
      from unnest(p_claims) c left join documents d on d.ordinal = c.ordinal);
end
$$;

-- functions/core/claim_digest.sql
-- The digest of what a claim means: how it waits is no part of it, and a member that is null is as good as none.
create or replace function ops.claim_digest(p_body jsonb) returns bytea
language sql immutable parallel safe
return sha256(convert_to(jsonb_strip_nulls(p_body - 'request_id' - 'wait_seconds')::text, 'UTF8'));

-- functions/core/claim_filter.sql
-- What decides which runs a claim can have, as a digest: claims of one filter are alike.
create or replace function ops.claim_filter(p_executor ops.executors, p_body jsonb) returns bytea
language sql stable parallel safe
return sha256(convert_to(concat_ws(chr(10), p_executor.kind, p_executor.workspaces::text,
                                   p_executor.capabilities::text, p_executor.labels::text, (p_body -> 'queues')::text),
                         'UTF8'));

-- functions/core/claim_profile.sql
-- What decides which runs an executor's claims can have: {kind, filter}; claims of one filter are alike but for their
-- queues. Null when this token registered no such executor. Raises OPU01, OPU02.
create or replace function ops.claim_profile(p_token_id uuid, p_executor_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_token ops.tokens := ops.require(p_token_id, array['executor']);
begin
  return (
    select jsonb_build_object('kind', e.kind, 'filter', encode(ops.claim_filter(e, '{}'), 'hex'))
      from ops.executors e where e.executor_id = p_executor_id and e.token_id = v_token.token_id);
end
$$;

-- functions/core/claim_queues.sql
-- The queues of a claim's body; null means all.
create or replace function ops.claim_queues(p_body jsonb) returns text[]
language sql immutable parallel safe
return case when jsonb_typeof(p_body -> 'queues') = 'array'
            then array(select jsonb_array_elements_text(p_body -> 'queues')) end;

-- functions/core/claim_runs.sql
-- Claim: give up to max_runs ready runs to an executor, each with a new epoch and a lease. Answers at once.
--   p_body {request_id, max_runs 1..100, queues [..]|null}  (wait_seconds is the server's)
-- Returns {runs: [ClaimedRun], server_time}. The same request_id and body again: the same runs and epochs, minus those
-- revoked since. An empty answer is not remembered, so a waiting server may ask again with the same id.
-- One member of ops.exchange_each. Raises OPU01, OPU02, OPN03, OPC09, OPV01, OPC06 (the id came with another body).
create or replace function ops.claim_runs(p_token_id uuid, p_executor_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
begin
  return ops.member_value((select e from ops.exchange_each('[]', jsonb_build_array(jsonb_build_object(
    'ordinal', 0, 'token_id', p_token_id, 'executor_id', p_executor_id, 'body', p_body))) e where e.ordinal = 0));
end
$$;

-- functions/core/claimed_template.sql
-- The part of a ClaimedRun that is its template's: JSON text without the opening brace, so that the run's part can
-- stand before it.
create or replace function ops.claimed_template(p_template ops.templates) returns text
language sql stable parallel safe
return substr(jsonb_build_object(
  'template_name', (p_template).name, 'template_version', (p_template).version, 'template_digest', (p_template).digest,
  'kind', (p_template).kind, 'entrypoint', (p_template).spec -> 'entrypoint',
  'config', coalesce((p_template).spec -> 'config', '{}'), 'bundle', ops.bundle_ref((p_template).spec),
  'connections', coalesce((p_template).spec -> 'connections', '[]'),
  'on_lapse', coalesce((p_template).spec ->> 'on_lapse', 'continue'),
  'rerun', coalesce((p_template).spec ->> 'rerun', 'safe'))::text, 2);

-- functions/core/close_attempt.sql
-- Mutate: the attempt ends with the reported outcome; its cap ledger is written; its recorded artifacts become
-- visible, those only begun are orphaned; a success's publications are recorded. One that stopped because the control
-- room found a cap passed was capped. Raises OPV01.
create or replace function ops.close_attempt(p_attempt ops.attempts, p_body jsonb) returns ops.attempts
language plpgsql volatile set search_path = ''
as $$
declare
  v_attempt ops.attempts;
  v_capped  jsonb := ops.cap_ordered(p_attempt, p_body);
begin
  update ops.attempts a set
    outcome = case when v_capped is null then p_body ->> 'outcome' else 'capped' end, finished_at = ops.now(), reported_at = ops.now(),
    idempotency_key = p_body ->> 'idempotency_key', report_digest = ops.digest(p_body),
    result = nullif(p_body -> 'result', 'null'), error = coalesce(v_capped, nullif(p_body -> 'error', 'null')), timings = nullif(p_body -> 'timings', 'null'),
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

-- functions/core/close_gate.sql
-- Lock: no claim is under way from here until the transaction ends; see ops.pass_gate. A verb's first lock.
create or replace function ops.close_gate() returns void
language sql volatile
return pg_advisory_xact_lock(hashtextextended('ops.claims', 0));

-- functions/core/commit_output.sql
-- Mutate and emit: a publication is committed; with the last one its run has succeeded.
create or replace function ops.commit_output(p_publication ops.publications, p_body jsonb, p_actor text) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  update ops.publications set
    state = 'committed', committed_at = ops.now(), table_version = (p_body ->> 'table_version')::bigint,
    location = p_body ->> 'location', rows = coalesce((p_body ->> 'rows')::bigint, rows)
   where run_id = p_publication.run_id and epoch = p_publication.epoch and output = p_publication.output;
  perform ops.emit(p_publication.run_id, 'publication.committed', p_publication.epoch, p_actor, jsonb_build_object(
      'output', p_publication.output, 'uri', p_publication.uri, 'table_version', (p_body ->> 'table_version')::bigint)
    || case when p_body ->> 'location' is null then '{}' else jsonb_build_object('location', p_body -> 'location') end);
  if not exists (select from ops.publications p
                  where p.run_id = p_publication.run_id and p.epoch = p_publication.epoch and p.state = 'recorded') then
    perform ops.finish_run(p_publication.run_id, 'succeeded', null, p_actor, null,
      (select a.result from ops.attempts a where a.run_id = p_publication.run_id and a.epoch = p_publication.epoch));
    perform ops.settle(array[p_publication.run_id], p_actor);
  end if;
end
$$;

-- functions/core/commit_publication.sql
-- commitPublication by an executor; see ops.publish, which takes no token only from the reactor.
create or replace function ops.commit_publication(p_token_id uuid, p_run_id uuid, p_output text, p_body jsonb)
returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform ops.require(p_token_id, array['executor']);
  return ops.publish(p_token_id, p_run_id, p_output, p_body);
end
$$;

-- functions/core/commit_publication_as_reactor.sql
-- commitPublication by the reactor, for an executor that died after its report; see ops.publish.
create or replace function ops.commit_publication_as_reactor(p_run_id uuid, p_output text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
begin
  return ops.publish(null, p_run_id, p_output, p_body);
end
$$;

-- functions/core/condition_verdict.sql
-- What a run condition says of its parents: 'ready', 'never' (it can no longer hold) or 'wait'.
-- p_failed counts failed and cancelled parents; a skipped parent is done, neither success nor failure.
create or replace function ops.condition_verdict(
  p_condition text, p_parents bigint, p_done bigint, p_succeeded bigint, p_failed bigint) returns text
language sql immutable parallel safe
return case p_condition
  when 'all_success' then
    case when p_succeeded = p_parents then 'ready' when p_done > p_succeeded then 'never' else 'wait' end
  when 'none_failed' then
    case when p_failed > 0 then 'never' when p_done = p_parents then 'ready' else 'wait' end
  when 'all_failed' then
    case when p_failed = p_parents then 'ready' when p_done > p_failed then 'never' else 'wait' end
  when 'all_done' then
    case when p_done = p_parents then 'ready' else 'wait' end
  when 'at_least_one_success' then
    case when p_done < p_parents then 'wait' when p_succeeded > 0 then 'ready' else 'never' end
  when 'at_least_one_failed' then
    case when p_done < p_parents then 'wait' when p_failed > 0 then 'ready' else 'never' end
end;

-- functions/core/cost_of.sql
-- What a usage costs by the price list in force at a time; null when there was none. Prices of the kind stand before
-- those of "*".
create or replace function ops.cost_of(p_kind text, p_usage jsonb, p_at timestamptz) returns numeric
language sql stable set search_path = ''
as $$
  select (select coalesce(sum(ops.usage_number(p_usage, p.key) * p.value::numeric), 0)
            from jsonb_each_text(coalesce(l.prices -> '*', '{}') || coalesce(l.prices -> p_kind, '{}')) p)
    from ops.price_lists l where l.valid_from <= p_at order by l.valid_from desc, l.version desc limit 1
$$;

-- functions/core/count_used.sql
-- Mutate: settled lines change their balances, each once; what crosses a threshold is warned of, and what went beyond
-- its limit is a row in the ledger of caps. The balances are locked.
create or replace function ops.count_used(p_lines ops.budget_line[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  with change as (
    select l.budget_id, l.period_start, sum(l.reserved) as reserved, sum(l.used) as used
      from unnest(p_lines) l group by 1, 2
  ), before as materialized (
    select b.*, b.used + c.used as used_now, b.reserved - c.reserved as reserved_now, g."limit",
           (select max(t) from unnest(g.thresholds) t
             where g.unit <> 'concurrency' and (b.used + c.used) * 100 >= t * g."limit") as reached, g.thresholds
      from change c join ops.budgets g on g.budget_id = c.budget_id
      join ops.budget_balances b on (b.budget_id, b.period_start) = (c.budget_id, c.period_start)
  ), changed as (
    update ops.budget_balances b set used = f.used_now, reserved = f.reserved_now,
        warned = greatest(b.warned, coalesce(f.reached, 0))
      from before f where (b.budget_id, b.period_start) = (f.budget_id, f.period_start)
  )
  insert into ops.budget_warnings (budget_id, period_start, threshold, used, "limit", at)
  select f.budget_id, f.period_start, t, f.used_now, f."limit", ops.now()
    from before f cross join lateral unnest(f.thresholds) t
   where t > f.warned and t <= f.reached
   order by f.budget_id, t;
end
$$;

-- functions/core/create_run.sql
-- Mutate and emit: one new run of a template. Guards of the body's own fields are here; who may submit is the caller's.
--   p_body    the submit body (params, priority, queue, not_before, deadline, labels, caps, max_attempts, retry,
--             lease_seconds, concurrency_key, concurrency_limit, condition, traceparent, idempotency_key, dedupe_key,
--             reuse: 'never')
--   p_place   what the caller knows: {run_id, workspace, submitted_by, pipeline_run_id, task_key, retry_of, inputs,
--             held: true for a task whose pipeline waits for other runs, rerun: true when a key keeps its limit and
--             nothing is reused, cap_rules: what caps that it inherits say, reproduces: the run that is done again,
--             beside what that one published}
--   p_depends [{depends_on, inputs: {name: output}}]; a run with parents waits for them. They are locked here, so that
--             none ends unseen before this transaction does; the caller then looks at them with ops.unblock.
-- The run is ready at once unless it waits for parents, for its time, or is a pipeline; one whose template reuses what
-- was done waits for ops.unblock, too, which looks for that. Returns its run_id.
-- Raises OPV01, OPV02, OPV05, OPX01, OPX02.
create or replace function ops.create_run(
  p_template ops.templates, p_body jsonb, p_place jsonb, p_depends jsonb default '[]')
returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_run    ops.runs;
  v_spec   jsonb := p_template.spec;
  v_reuses boolean := coalesce(v_spec ->> 'reuse' = 'same_inputs', false);
begin
  v_run.run_id := coalesce((p_place ->> 'run_id')::uuid, ops.uuid7());
  v_run.workspace := p_place ->> 'workspace';
  v_run.params := ops.checked_params(v_spec -> 'params_schema', p_body -> 'params');
  v_run.outputs := ops.planned_outputs(v_run.workspace, v_spec, v_run.params);
  if p_place ? 'reproduces' then
    v_run.outputs := ops.outputs_beside(v_run.workspace, v_run.outputs, v_run.run_id);
  end if;
  v_run.labels := coalesce(v_spec -> 'labels', '{}') || coalesce(nullif(p_body -> 'labels', 'null'), '{}');
  v_run.caps := ops.tighten_caps(v_run.workspace, p_template.name, v_spec -> 'caps', nullif(p_body -> 'caps', 'null'));
  v_run.cap_rules := ops.tighten_rules(v_run.workspace, p_template.name, v_spec -> 'caps', nullif(p_body -> 'caps', 'null'),
                                       nullif(p_place -> 'cap_rules', 'null'), v_run.caps);
  if p_template.kind <> 'pipeline' then
    perform ops.check_budget_room(v_run.workspace, p_template.name, v_spec, v_run.caps);
  end if;
  v_run.not_before := (p_body ->> 'not_before')::timestamptz;
  v_run.concurrency_key := ops.planned_key(v_spec, p_body, v_run.params);
  v_run.concurrency_limit := ops.planned_limit(v_spec, p_body);
  v_run.max_attempts := coalesce((p_body ->> 'max_attempts')::int, (v_spec #>> '{retry,max_attempts}')::int, 3);
  v_run.retry := nullif(p_body -> 'retry', 'null');
  v_run.lease_seconds := coalesce((p_body ->> 'lease_seconds')::int, (v_spec ->> 'lease_seconds')::int,
                                  ops.setting_number('lease_seconds')::int);
  v_run.condition := coalesce(p_body ->> 'condition', 'all_success');
  perform ops.check_run(v_run);
  v_run.state := 'waiting';
  v_run.state_reason := case when p_depends <> '[]' or v_reuses then 'waiting_on_dependency'
                             when p_template.kind = 'pipeline' then 'waiting_on_tasks'
                             when p_place ? 'held' then 'waiting_on_pipeline'
                             when v_run.not_before > ops.now() then 'not_before' end;
  if v_run.state_reason is null then
    perform pg_current_xact_id();
    v_run.state := 'queued';
    v_run.ready_seq := nextval('ops.ready_seq');
    v_run.queued_at := ops.now();
  end if;
  if v_run.concurrency_key is not null then
    perform ops.declare_key(v_run.workspace, v_run.concurrency_key, v_run.concurrency_limit, p_place ? 'rerun');
  end if;
  if p_depends <> '[]' then
    perform from ops.runs r where r.run_id in (select (d ->> 'depends_on')::uuid from jsonb_array_elements(p_depends) d)
      order by r.run_id for share;
    perform ops.check_inputs(p_template, p_place ->> 'task_key', p_depends);
  end if;

  insert into ops.runs (
    run_id, workspace, template_id, template_name, template_version, kind, task_key, pipeline_run_id, retry_of,
    reproduces, may_reuse,
    params, inputs, outputs, labels, caps, cap_rules, max_attempts, retry, lease_seconds, requires,
    concurrency_key, concurrency_limit, condition, deadline, idempotency_key, request_digest, dedupe_key, traceparent, submitted_by, submitted_at,
    priority, queue, not_before, ready_seq, queued_at, state, state_reason)
  values (
    v_run.run_id, v_run.workspace, p_template.template_id, p_template.name, p_template.version, p_template.kind,
    p_place ->> 'task_key', (p_place ->> 'pipeline_run_id')::uuid, (p_place ->> 'retry_of')::uuid,
    (p_place ->> 'reproduces')::uuid,
    v_reuses and not p_place ? 'rerun' and p_body ->> 'reuse' is distinct from 'never',
    v_run.params, coalesce(p_place -> 'inputs', '[]'), v_run.outputs, v_run.labels, v_run.caps,
    v_run.cap_rules, v_run.max_attempts, v_run.retry, v_run.lease_seconds, ops.planned_requires(v_spec), v_run.concurrency_key,
    case when v_run.concurrency_key is not null then v_run.concurrency_limit end, v_run.condition,
    (p_body ->> 'deadline')::timestamptz, p_body ->> 'idempotency_key', decode(p_place ->> 'digest', 'hex'),
    p_body ->> 'dedupe_key', p_body ->> 'traceparent', p_place ->> 'submitted_by', ops.now(),
    coalesce((p_body ->> 'priority')::int, (v_spec ->> 'priority')::int, 0),
    coalesce(p_body ->> 'queue', v_spec ->> 'queue', 'default'),
    v_run.not_before, v_run.ready_seq, v_run.queued_at, v_run.state, v_run.state_reason);
  insert into ops.run_dependencies (run_id, depends_on, inputs)
  select v_run.run_id, (d ->> 'depends_on')::uuid, coalesce(d -> 'inputs', '{}') from jsonb_array_elements(p_depends) d;

  perform ops.emit(v_run.run_id, 'run.submitted', null, 'operator:' || (p_place ->> 'submitted_by'),
    jsonb_build_object('template', p_template.name, 'template_version', p_template.version,
                       'template_digest', p_template.digest,
                       'params_digest', encode(ops.digest(v_run.params), 'hex'), 'retry_of', p_place -> 'retry_of')
      || case when p_place ? 'reproduces' then jsonb_build_object('reproduces', p_place -> 'reproduces') else '{}' end);
  return v_run.run_id;
end
$$;

-- functions/core/create_tasks.sql
-- Mutate and emit: the children of a pipeline run, with the template versions of this moment. run_ids rise along the
-- dependencies, so that locking in run-id order is locking parents first. p_keep: {task key: run_id} of runs that
-- already did a task's work (repair); they get no new child. The pipeline's caps tighten those of each child. While the
-- pipeline waits for other runs, its first tasks wait for it.
-- Raises OPN02, OPV02, OPV05.
create or replace function ops.create_tasks(
  p_pipeline_run_id uuid, p_tasks jsonb, p_body jsonb, p_place jsonb, p_keep jsonb default '{}',
  p_templates jsonb default '{}')
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_order    text[] := ops.task_order(p_tasks);
  v_ids      uuid[];
  v_runs     jsonb  := p_keep;
  v_params   jsonb;
  v_caps     jsonb;
  v_rules    jsonb;
  v_task     jsonb;
  v_template ops.templates;
  v_held     jsonb;
  v_actor    text   := 'operator:' || (p_place ->> 'submitted_by');
begin
  select r.params, r.caps, r.cap_rules, case when r.state_reason = 'waiting_on_dependency' then '{"held": true}'::jsonb else '{}' end
    into v_params, v_caps, v_rules, v_held from ops.runs r where r.run_id = p_pipeline_run_id;
  v_ids := array(select ops.uuid7() as id from unnest(v_order) order by id);
  for i in 1 .. cardinality(v_order) loop
    continue when p_keep ? v_order[i];
    v_task := p_tasks -> v_order[i];
    v_template := ops.task_template(p_place ->> 'workspace', v_order[i], v_task, p_templates ->> v_order[i]);
    v_runs := v_runs || jsonb_build_object(v_order[i], v_ids[i]);
    perform ops.create_run(v_template,
      jsonb_build_object('params', ops.substitute(coalesce(nullif(v_task -> 'params', 'null'), '{}'), v_params,
                                                  '/tasks/' || v_order[i] || '/params'),
                         'condition', coalesce(v_task ->> 'condition', 'all_success'),
                         'caps', ops.effective_caps(p_place ->> 'workspace', v_template.name,
                                                    ops.tightest(ops.cap_limits(v_template.spec -> 'caps'), v_caps)))
        || ops.inherited(p_body, v_task),
      p_place - 'digest' - 'retry_of' || v_held
        || jsonb_build_object('run_id', v_ids[i], 'pipeline_run_id', p_pipeline_run_id, 'task_key', v_order[i],
                              'cap_rules', v_rules)
        || case when p_place ? 'reproduces' then jsonb_build_object(
             'reproduces', ops.task_reproduced((p_place ->> 'reproduces')::uuid, v_order[i])) else '{}' end,
      ops.task_dependencies(v_task, v_runs));
  end loop;
  -- a repaired pipeline's children may have nothing left to wait for
  v_ids := array(select r.run_id from ops.runs r where r.pipeline_run_id = p_pipeline_run_id);
  perform ops.settle(ops.unblock(v_ids, v_actor), v_actor);
  perform ops.announce(v_ids);
end
$$;

-- functions/core/declare_key.sql
-- Mutate and lock: a concurrency key exists and has the limit that the newest submit gives it, and is not dropped until
-- the transaction ends. p_keep: a key that is there keeps its limit.
create or replace function ops.declare_key(
  p_workspace text, p_key text, p_limit int, p_keep boolean default false)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  perform from ops.concurrency_keys k
    where k.workspace = p_workspace and k.key = p_key and (p_keep or k."limit" = p_limit) for key share;
  if found then
    return;
  end if;
  insert into ops.concurrency_keys as k (workspace, key, "limit", updated_at)
  values (p_workspace, p_key, p_limit, ops.now())
  on conflict (workspace, key) do update set "limit" = excluded."limit", updated_at = excluded.updated_at
   where k."limit" <> excluded."limit" and not p_keep;
end
$$;

-- functions/core/dedupe_lock.sql
-- The advisory lock of a submit's dedupe key.
create or replace function ops.dedupe_lock(p_body jsonb) returns bigint
language sql immutable parallel safe
return hashtextextended('ops.dedupe:' || coalesce(p_body ->> 'workspace', 'default') || '/'
                        || (p_body ->> 'dedupe_key'), 0);

-- functions/core/deduplicated.sql
-- The run on record that a submit is answered with because it holds the submit's dedupe key; null when a new run is to
-- be made, which with on_conflict `replace` may mean that the holder was cancelled just now. The caller has locked the
-- dedupe key. Raises OPC11 with {run_id, number, state} when the holder stays and the submit does not want it.
create or replace function ops.deduplicated(p_token ops.tokens, p_workspace text, p_body jsonb, p_digest bytea)
returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_wanted text := coalesce(p_body ->> 'on_conflict', 'error');
  v_holder ops.runs;
begin
  if p_body ->> 'dedupe_key' is null then
    return null;
  end if;
  select * into v_holder from ops.runs r
   where r.workspace = p_workspace and r.dedupe_key = p_body ->> 'dedupe_key'
     and r.state in ('waiting', 'queued', 'running');
  if v_holder.run_id is null then
    return null;
  elsif v_wanted = 'replace' then
    -- an `if` of its own: `and` promises no order, and giving way is no question
    if ops.give_way(p_token, v_holder.run_id) then
      return null;
    end if;
  elsif v_wanted = 'return' then
    insert into ops.retry_requests (workspace, idempotency_key, request_digest, run_id, created_at)
    select p_workspace, p_body ->> 'idempotency_key', p_digest, v_holder.run_id, ops.now()
     where p_body ->> 'idempotency_key' is not null;
    return v_holder.run_id;
  end if;
  select * into v_holder from ops.runs r where r.run_id = v_holder.run_id;
  perform ops.fail('OPC11', format('run %s, which is %s, holds dedupe key %s', v_holder.number, v_holder.state,
      p_body ->> 'dedupe_key'),
    jsonb_build_object('run_id', v_holder.run_id, 'number', v_holder.number, 'state', v_holder.state),
    'Wait for it or cancel it; on_conflict `return` answers with it, `replace` cancels it while it does not run.');
  return null;
end
$$;

-- functions/core/dependency_invalid.sql
-- Refuse a dependency: OPV05 with one entry in `errors`. p_path is a JSON pointer.
create or replace function ops.dependency_invalid(p_path text, p_message text, p_hint text default null) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  perform ops.fail('OPV05', format('%s: %s', p_path, p_message),
                   jsonb_build_object('errors', jsonb_build_array(
                     jsonb_build_object('path', p_path, 'message', p_message))), p_hint);
end
$$;

-- functions/core/derive_pipelines.sql
-- Mutate: the state of pipeline runs follows from their children: running once a child has started; done when all are:
-- failed if any failed, else cancelled if any was cancelled, else succeeded. Returns the pipelines that ended.
-- Locks the pipelines in run-id order, then reads the children in a new statement.
create or replace function ops.derive_pipelines(p_run_ids uuid[], p_actor text) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_run   record;
  v_ended uuid[] := '{}';
begin
  perform from ops.runs r where r.run_id = any (p_run_ids) order by r.run_id for update;
  for v_run in
    select p.run_id, p.state,
           bool_and(ops.is_terminal(c.state)) as done, bool_or(c.started_at is not null) as started,
           case when bool_or(c.state = 'failed') then 'failed'
                when bool_or(c.state = 'cancelled') then 'cancelled' else 'succeeded' end as outcome,
           jsonb_object_agg(c.task_key, c.state) as tasks,
           jsonb_agg(c.error || jsonb_build_object('task_key', c.task_key) order by c.finished_at, c.run_id)
             filter (where c.state = 'failed') as errors
      from ops.runs p join ops.runs c on c.pipeline_run_id = p.run_id
     where p.run_id = any (p_run_ids) and not ops.is_terminal(p.state)
     group by p.run_id order by p.run_id
  loop
    if v_run.state = 'waiting' and v_run.started then
      update ops.runs set state = 'running', state_reason = null, started_at = ops.now() where run_id = v_run.run_id;
      perform ops.emit(v_run.run_id, 'run.started', null, p_actor);
    end if;
    if v_run.done then
      perform ops.finish_run(v_run.run_id, v_run.outcome, null, p_actor, ops.pipeline_error(v_run.outcome, v_run.errors),
                             jsonb_build_object('tasks', v_run.tasks));
      v_ended := v_ended || v_run.run_id;
    end if;
  end loop;
  return v_ended;
end
$$;

-- functions/core/descendants.sql
-- All runs that wait, directly or not, for one of these runs; with a pipeline its tasks.
create or replace function ops.descendants(p_run_ids uuid[]) returns uuid[]
language plpgsql stable set search_path = ''
as $$
begin
  if not exists (select from ops.run_dependencies d where d.depends_on = any (p_run_ids)) then
    return '{}';
  end if;
  return array(
    with recursive below (run_id) as (
      select d.run_id from ops.run_dependencies d where d.depends_on = any (p_run_ids)
      union
      select x.run_id from below b cross join lateral (
        select d.run_id from ops.run_dependencies d where d.depends_on = b.run_id
        union all
        select c.run_id from ops.runs c where c.pipeline_run_id = b.run_id) x)
    select b.run_id from below b);
end
$$;

-- functions/core/digest.sql
-- SHA-256 of a JSON value's stored text (keys in jsonb's own order, so equal values have equal digests).
create or replace function ops.digest(p_value jsonb) returns bytea
language sql stable parallel safe
return sha256(convert_to(p_value::text, 'UTF8'));

-- functions/core/directives.sql
-- What a heartbeat answers for each run sent. continue: the lease is renewed. cancel: renewed, and the executor has
-- grace_seconds to stop. drain: renewed, finish but claim no more. already_terminal: the report was accepted, nothing
-- to do. superseded: this epoch holds nothing any more, `reason` says why. caps: those in force now, for a run still
-- held; they may have been tightened since the claim; cap_rules what is said beside them. A run of which the control
-- room itself found a cap passed (ops.enforce_costs) is to stop, too. Runs that have workspace, template and caps in
-- common are one kin, whose caps are looked up once.
create or replace function ops.directives(p_executor ops.executors, p_runs jsonb) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_drains boolean := p_executor.state = 'draining';
  v_grace  numeric := ops.setting_number('cancel_grace_seconds');
begin
  return (
    with held as materialized (
      select s.n, s.run_id, s.epoch, r as run, l.lease_deadline, l.reported_at, l.run_id is not null as holds,
             case when l.run_id is not null then dense_rank() over (
               order by l.run_id is null, r.workspace, r.template_name, r.caps, r.cap_rules) end as kin
        from (select n, (m ->> 'run_id')::uuid as run_id, (m ->> 'epoch')::bigint as epoch
                from jsonb_array_elements(p_runs) with ordinality t (m, n)) s
        join ops.tokens k on k.token_id = p_executor.token_id
        left join ops.runs r on r.run_id = s.run_id and (k.workspaces is null or r.workspace = any (k.workspaces))
        left join ops.leases l on l.run_id = s.run_id and l.epoch = s.epoch
            and l.executor_id = p_executor.executor_id
    ), kins as materialized (
      select h.kin, ops.effective_caps((h.run).workspace, (h.run).template_name, (h.run).caps) as limits,
             ops.effective_rules((h.run).workspace, (h.run).template_name, (h.run).cap_rules) as beside
        from (select distinct on (kin) kin, run from held where kin is not null order by kin) h
    ), told as (
      select h.*, f.limits, f.beside, o.capped, o.action as capped_by,
             case when not h.holds and (h.run).run_id is not null then ops.lost_reason(h.run, h.epoch) end as lost,
             case when not h.holds then
                    case when ops.lost_reason(h.run, h.epoch) = 'terminal' then 'already_terminal' else 'superseded' end
                  when h.reported_at is not null then 'continue'
                  when (h.run).cancel_requested_at is not null or o.capped is not null then 'cancel'
                  when v_drains then 'drain'
                  else 'continue' end as directive
        from held h
        left join kins f on f.kin = h.kin
        left join lateral (
          select ops.caps_text(jsonb_build_array(ops.cap_entry_json(e))) as capped, e.action from ops.cap_ledger e
           where h.holds and e.run_id = h.run_id and e.epoch = h.epoch and e.layer = 'control_room'
             and e.action <> 'warned' order by e.entry_id limit 1) o on true
    )
    select coalesce(jsonb_agg(jsonb_build_object(
        'run_id', d.run_id, 'epoch', d.epoch, 'directive', d.directive, 'lease_deadline', ops.iso(d.lease_deadline),
        'reason', case d.directive when 'cancel' then coalesce((d.run).cancel_reason, d.capped)
                                   when 'superseded' then coalesce(d.lost, 'unknown run') end,
        'grace_seconds', case when d.directive = 'cancel' then coalesce(
            case when (d.run).cancel_requested_at is null then ops.order_grace(d.capped_by, d.beside) end, v_grace) end,
        'caps', d.limits)
        || case when d.beside <> '{}' then jsonb_build_object('cap_rules', ops.told_rules(d.limits, d.beside))
                else '{}' end order by d.n), '[]')
      from told d);
end
$$;

-- functions/core/drain_executor.sql
-- Drain an executor: it gets no new runs, is told so by its next heartbeat, finishes those it has and leaves.
-- Repeating it is no error.  p_body {reason?}
-- Returns the Executor. Raises OPU01, OPU02, OPN03, OPC05, OPC09, OPV01; see ops.steer_executor.
create or replace function ops.drain_executor(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
begin
  return ops.steer_executor(p_token_id, p_ref, 'draining', p_body);
end
$$;

-- functions/core/draw_ready.sql
-- Mutate: queued runs that enter the ready index at another place (resumed, another priority) get a new ready sequence,
-- in the order given; then NOTIFY. The caller holds their locks. A ready_seq is never reused: see adr/0002.
create or replace function ops.draw_ready(p_run_ids uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_run_id uuid;
begin
  if cardinality(p_run_ids) = 0 then
    return;
  end if;
  -- a transaction id before the first nextval: move_floor tells open writers by it
  perform pg_current_xact_id();
  foreach v_run_id in array p_run_ids loop
    update ops.runs set ready_seq = nextval('ops.ready_seq') where run_id = v_run_id;
  end loop;
  perform ops.ensure_floors(p_run_ids);

  perform ops.notify_ready(array(select r.kind from ops.runs r where r.run_id = any (p_run_ids) and not r.paused));
end
$$;

-- functions/core/drop_empty_floors.sql
-- Sweep: forget claim floors that have been empty for `claim_floor_empty_seconds`: every claim probes each floor, and
-- names of queues are free. Looks at p_limit floors at a time, once in ten seconds, and goes on from there.
--
-- Who makes a run ready holds the floor's advisory lock, shared, from before it looks for the floor until it commits
-- (ops.ensure_places). A floor is dropped under that lock alone, after a look that is no older than the lock: so a run
-- is either seen here or makes the floor again. Waits for no lock, and is its caller's last act.
create or replace function ops.drop_empty_floors(p_limit int) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now   timestamptz := ops.now();
  v_after text[];
  v_last  text[];
  v_seen  int         := 0;
  v_duty  record;
  v_floor ops.queue_floors;
begin
  select * into v_duty from ops.take_duty('drop_empty_floors', 10);
  if not v_duty.due then
    return;
  end if;
  v_after := coalesce(string_to_array(v_duty.place, chr(31)), array['', '', '0']);
  for v_floor in
    select * from ops.queue_floors f where (f.queue, f.kind, f.priority) > (v_after[1], v_after[2], v_after[3]::int)
     order by f.queue, f.kind, f.priority limit p_limit for update skip locked
  loop
    v_seen := v_seen + 1;
    v_last := array[v_floor.queue, v_floor.kind, v_floor.priority::text];
    if not ops.floor_is_empty(v_floor) then
      update ops.queue_floors f set empty_since = null
       where (f.queue, f.kind, f.priority) = (v_floor.queue, v_floor.kind, v_floor.priority) and f.empty_since is not null;
    elsif v_floor.empty_since is null then
      update ops.queue_floors f set empty_since = v_now
       where (f.queue, f.kind, f.priority) = (v_floor.queue, v_floor.kind, v_floor.priority);
    elsif v_floor.empty_since <= v_now - ops.seconds(ops.setting_number('claim_floor_empty_seconds'))
          and pg_try_advisory_xact_lock(ops.floor_lock(v_floor.queue, v_floor.kind, v_floor.priority)) then
      delete from ops.queue_floors f
       where (f.queue, f.kind, f.priority) = (v_floor.queue, v_floor.kind, v_floor.priority) and ops.floor_is_empty(f);
    end if;
  end loop;
  update ops.duties set place = case when v_seen = p_limit then array_to_string(v_last, chr(31)) end
   where name = 'drop_empty_floors';
end
$$;

-- functions/core/drop_idle_keys.sql
-- Sweep: forget concurrency keys that no unfinished run has. Looks at p_limit keys at a time, once in ten seconds, and
-- goes on from there at the next call.
--
-- A submit holds its key with a key share lock from the moment it declares it (ops.declare_key) until its run is there;
-- such a key is passed over, and the runs are looked for in a statement after the one that locked the key. A submit
-- that comes later waits, and declares the key anew. The caller's last act: it waits for nobody while it holds keys.
create or replace function ops.drop_idle_keys(p_limit int) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_duty  record;
  v_after text;
  v_seen  text[];
  v_idle  text[];
begin
  select * into v_duty from ops.take_duty('drop_idle_keys', 10);
  if not v_duty.due then
    return;
  end if;
  v_after := coalesce(v_duty.place, '');
  v_seen := array(
    select ops.key_of(k.workspace, k.key) from ops.concurrency_keys k
     where (k.workspace, k.key) > (split_part(v_after, chr(31), 1), substr(v_after, strpos(v_after, chr(31)) + 1))
     order by k.workspace, k.key limit p_limit);
  update ops.duties set place = case when cardinality(v_seen) = p_limit then v_seen[p_limit] end
   where name = 'drop_idle_keys';

  v_idle := array(
    select ops.key_of(k.workspace, k.key) from ops.split_keys(v_seen) s
     cross join lateral (select c.workspace, c.key from ops.concurrency_keys c
                          where c.workspace = s.workspace and c.key = s.key
                            and not ops.key_is_used(c.workspace, c.key) offset 0 for update skip locked) k);
  delete from ops.concurrency_keys k using ops.split_keys(v_idle) s
   where k.workspace = s.workspace and k.key = s.key and not ops.key_is_used(k.workspace, k.key);
end
$$;

-- functions/core/effective_caps.sql
-- The caps in force: for each cap the least of p_own (the run's or the template's own) and of what the platform, the
-- workspace and the template are given. Returns {cap: limit}; numbers. Those that only warn are left out.
create or replace function ops.effective_caps(p_workspace text, p_template_name text, p_own jsonb) returns jsonb
language sql stable
return (
  select coalesce(jsonb_object_agg(x.cap, x.least), '{}') from (
    select y.cap, min(y.value) as least from (
      select o.key as cap, o.value::numeric as value from jsonb_each_text(p_own) o
      union all
      select c.cap, c."limit" from ops.caps c
       where c.action is distinct from 'warn'
         and (c.scope = 'platform'
              or (c.scope = 'workspace' and c.workspace = p_workspace)
              or (c.scope = 'template' and c.workspace = p_workspace and c.template_name = p_template_name))) y
     group by y.cap) x);

-- functions/core/effective_rules.sql
-- What holds beside the limits: for each cap the strongest action, the least grace and the least limit at which is
-- warned, of p_own (the run's or the template's own, and a second such) and of what the platform, the workspace and the
-- template are given. Who says no action leaves it to the others. Returns {cap: {action, grace_seconds, warn}}.
create or replace function ops.effective_rules(
  p_workspace text, p_template_name text, p_own jsonb, p_more jsonb default null)
returns jsonb
language sql stable
return (
  select coalesce(jsonb_object_agg(x.cap, x.rule), '{}') from (
    select y.cap, jsonb_strip_nulls(jsonb_build_object(
             'action', ('{cut,cancel,kill}'::text[])[max(ops.cap_strength(y.action))], 'grace_seconds', min(y.grace),
             'warn', min(y.warn))) as rule
      from (
        select o.key as cap, o.value ->> 'action' as action, (o.value ->> 'grace_seconds')::numeric as grace,
               (o.value ->> 'warn')::numeric as warn
          from (values (p_own), (p_more)) g (rules) cross join lateral jsonb_each(coalesce(g.rules, '{}')) o
        union all
        select c.cap, nullif(c.action, 'warn') as action, c.grace_seconds as grace,
               case c.action when 'warn' then c."limit" end as warn
          from ops.caps c
         where (c.action is not null or c.grace_seconds is not null)
           and (c.scope = 'platform'
                or (c.scope = 'workspace' and c.workspace = p_workspace)
                or (c.scope = 'template' and c.workspace = p_workspace and c.template_name = p_template_name))) y
     group by y.cap) x
   where x.rule <> '{}');

-- functions/core/emit.sql
-- Emit one event of one run; see ops.append_events. p_epoch null: the run's own. The caller holds the run's lock.
create or replace function ops.emit(p_run_id uuid, p_type text, p_epoch bigint, p_actor text, p_data jsonb default '{}')
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  perform ops.append_events(array[p_run_id], p_type, p_actor, array[p_data], p_epoch);
end
$$;

-- functions/core/end_late_one.sql
-- Mutate and emit: a step of the sweep (ops.sweep_each): a run's deadline has passed. One that does not run yet fails;
-- one that runs is asked to stop. Answers {ended}.
create or replace function ops.end_late_one(p_run_id uuid, p_actor text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_run ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id;
  if v_run.state = 'running' then
    update ops.runs set cancel_requested_at = ops.now(), cancel_reason = 'the deadline has passed' where run_id = p_run_id;
    perform ops.emit(p_run_id, 'run.cancel_requested', null, p_actor, '{"reason": "the deadline has passed"}');
    return '{"ended": []}';
  end if;
  perform ops.finish_run(p_run_id, 'failed', 'deadline_passed', p_actor, jsonb_build_object(
    'class', 'external', 'code', 'deadline_passed',
    'message', format('not started by its deadline %s', ops.iso(v_run.deadline))));
  return jsonb_build_object('ended', jsonb_build_array(p_run_id));
end
$$;

-- functions/core/end_late_runs.sql
-- Mutate and emit: runs whose deadline has passed. Those that do not run yet fail; those that run are asked to stop.
-- Returns how many. One that raises is passed over.
create or replace function ops.end_late_runs(p_limit int, p_actor text) returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_late uuid[];
begin
  v_late := array(
    select r.run_id from ops.runs r
     where r.deadline <= ops.now() and r.state in ('waiting', 'queued', 'running') and r.kind <> 'pipeline'
       and r.cancel_requested_at is null and r.state_reason is distinct from 'publishing'
     order by r.run_id limit p_limit for update skip locked);
  return jsonb_array_length(ops.sweep_each(array_fill('end_late_one'::text, array[cardinality(v_late)]), v_late, p_actor));
end
$$;

-- functions/core/end_unstarted_one.sql
-- Mutate and emit: a step of the sweep (ops.sweep_each): a run was not started within its cap queue_seconds; it fails,
-- and the ledger of caps says by how much it was passed. Answers {ended}.
create or replace function ops.end_unstarted_one(p_run_id uuid, p_actor text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_run     ops.runs;
  v_limit   numeric;
  v_waited  numeric;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id;
  v_limit := (ops.effective_caps(v_run.workspace, v_run.template_name, v_run.caps) ->> 'queue_seconds')::numeric;
  v_waited := round(extract(epoch from ops.now() - v_run.queued_at)::numeric, 3);
  perform ops.note_cap(p_run_id, v_run.epoch, p_actor, jsonb_build_object(
    'layer', 'admission', 'cap', 'queue_seconds', 'limit', v_limit, 'observed', v_waited,
    'overshoot_ms', round((v_waited - v_limit) * 1000), 'action', 'failed'));
  perform ops.finish_run(p_run_id, 'failed', 'queue_seconds', p_actor, jsonb_build_object(
    'class', 'resources', 'code', 'queue_seconds', 'message', format(
      'not started for %s s, its cap queue_seconds is %s; add executors, or have the cap raised', v_waited, v_limit)));
  return jsonb_build_object('ended', jsonb_build_array(p_run_id));
end
$$;

-- functions/core/end_unstarted_runs.sql
-- Mutate and emit: runs that have stood in the queue, or waited for a budget there, for longer than their cap
-- queue_seconds fail, at most p_limit; a paused one is let wait. Returns how many. One that raises is passed over.
create or replace function ops.end_unstarted_runs(p_limit int, p_actor text) returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_now  timestamptz := ops.now();
  v_late uuid[];
begin
  v_late := array(
    select r.run_id from ops.runs r
     where r.caps ? 'queue_seconds' and (r.state = 'queued' or r.state = 'waiting' and r.state_reason = 'budget_exhausted')
       and not r.paused and r.queued_at < v_now
       and r.queued_at + ops.seconds(
             (ops.effective_caps(r.workspace, r.template_name, r.caps) ->> 'queue_seconds')::numeric) < v_now
     order by r.run_id limit p_limit for update skip locked);
  return jsonb_array_length(
    ops.sweep_each(array_fill('end_unstarted_one'::text, array[cardinality(v_late)]), v_late, p_actor));
end
$$;

-- functions/core/enforce_costs.sql
-- Mutate and emit: runs of a heartbeat that cost more by now than their cap allows, by the price list and the usage
-- told: each breach and each warning stands in the ledger once for an attempt, and ops.directives answers with the
-- order to stop. A run whose row is held right now is looked at by the next heartbeat.
create or replace function ops.enforce_costs(p_executor_id uuid, p_runs jsonb) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_run record;
begin
  if not exists (select from ops.price_lists) then
    return;
  end if;
  for v_run in
    select x.* from (
      select l.run_id, l.epoch, ops.cost_of(r.kind, l.usage, ops.now()) as cost,
             (ops.effective_caps(r.workspace, r.template_name, r.caps) ->> 'cost')::numeric as "limit",
             ops.effective_rules(r.workspace, r.template_name, r.cap_rules) -> 'cost' as rule
        from jsonb_array_elements(p_runs) m
        join ops.leases l on l.run_id = (m ->> 'run_id')::uuid and l.epoch = ops.body_epoch(m)
                         and l.executor_id = p_executor_id and l.reported_at is null and l.usage is not null
       cross join lateral (select * from ops.runs u where u.run_id = l.run_id offset 0) r
       where r.caps ? 'cost' or r.cap_rules ? 'cost' or exists (select from ops.caps c where c.cap = 'cost')) x
     where x.cost > x."limit" or x.cost > (x.rule ->> 'warn')::numeric
     order by x.run_id
  loop
    perform from ops.runs r where r.run_id = v_run.run_id for update skip locked;
    continue when not found;
    if v_run.cost > v_run."limit" then
      perform ops.note_cost(v_run.run_id, v_run.epoch, v_run."limit", v_run.cost,
                            case v_run.rule ->> 'action' when 'kill' then 'killed' else 'cancelled' end);
    else
      perform ops.note_cost(v_run.run_id, v_run.epoch, (v_run.rule ->> 'warn')::numeric, v_run.cost, 'warned');
    end if;
  end loop;
end
$$;

-- functions/core/enqueue.sql
-- Mutate: make runs ready, each with a new ready sequence, in the order given; then event run.queued and NOTIFY.
-- The caller holds their locks. A ready_seq is never reused: claim floors rely on it (see adr/0002).
create or replace function ops.enqueue(p_run_ids uuid[], p_actor text) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_run_id uuid;
begin
  if coalesce(cardinality(p_run_ids), 0) = 0 then
    return;
  end if;
  -- a transaction id before the first nextval: move_floor tells open writers by it
  perform pg_current_xact_id();
  foreach v_run_id in array p_run_ids loop
    update ops.runs set state = 'queued', state_reason = null, ready_seq = nextval('ops.ready_seq'),
        -- a budget's hold does not begin the wait anew
        queued_at = case when state_reason = 'budget_exhausted' then coalesce(queued_at, ops.now()) else ops.now() end
     where run_id = v_run_id;
  end loop;
  perform ops.ensure_floors(p_run_ids);

  perform ops.append_events(p_run_ids, 'run.queued', p_actor);
  perform ops.notify_ready(array(select r.kind from ops.runs r where r.run_id = any (p_run_ids)
                                                                       and not r.paused));
end
$$;

-- functions/core/enqueue_one.sql
-- Mutate and emit: a step of the sweep (ops.sweep_each): ops.enqueue of one run. Answers {ended}.
create or replace function ops.enqueue_one(p_run_id uuid, p_actor text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
begin
  perform ops.enqueue(array[p_run_id], p_actor);
  return '{"ended": []}';
end
$$;

-- functions/core/ensure_floors.sql
-- A claim floor for every (queue, kind, priority) in which these runs stand ready; claims find priorities through it.
create or replace function ops.ensure_floors(p_run_ids uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  perform ops.ensure_places(array(select row(r.queue, r.kind, r.priority, count(*))::ops.ready_place from ops.runs r
                                   where r.run_id = any (p_run_ids) group by r.queue, r.kind, r.priority));
end
$$;

-- functions/core/ensure_places.sql
-- Lock and mutate: each of these places has a claim floor, and none is dropped until the transaction ends: the locks
-- are taken, shared, before a statement of its own looks which floors there are. See ops.drop_empty_floors.
create or replace function ops.ensure_places(p_places ops.ready_place[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock_shared(l.lock)
     from (select distinct ops.floor_lock(n.queue, n.kind, n.priority) as lock from unnest(p_places) n) l;
  insert into ops.queue_floors (queue, kind, priority, moved_at, rescanned_at)
  select distinct n.queue, n.kind, n.priority, ops.now(), ops.now() from unnest(p_places) n
   where not exists (select from ops.queue_floors f
                      where (f.queue, f.kind, f.priority) = (n.queue, n.kind, n.priority))
   order by 1, 2, 3
  on conflict do nothing;
end
$$;

-- functions/core/estimated.sql
-- What one attempt of a template is expected to use of a unit: the median of its last attempts plus half of what lies
-- between the quarters (five and more of them), else what the template declares, else the run's cap, else the mean of
-- what is known, else nothing. A run is one run.
--   p_declared  the template's `estimate` {unit: number}; p_caps the run's caps
create or replace function ops.estimated(p_unit text, p_samples numeric[], p_declared jsonb, p_caps jsonb)
returns numeric
language sql immutable set search_path = ''
as $$
  select case
    when p_unit in ('runs', 'concurrency') then 1
    when cardinality(p_samples) >= 5 then (
      select round((percentile_cont(0.5) within group (order by s)
                    + (percentile_cont(0.75) within group (order by s)
                       - percentile_cont(0.25) within group (order by s)) / 2)::numeric, 6)
        from unnest(p_samples) s)
    else coalesce(ops.usage_number(p_declared, p_unit), ops.usage_number(p_caps, p_unit),
                  (select avg(s) from unnest(p_samples) s), 0) end
$$;

-- functions/core/exchange_each.sql
-- Reports and claims of many callers, in one transaction: what every executor-plane request of this kind becomes.
--   p_reports [{ordinal, token_id, run_id, body, artifacts?}]
--   p_claims  [{ordinal, token_id, executor_id, body}]
-- Ordinals differ over both lists. Returns a row for each member: (ordinal, code, detail), see ops.member_answer. A
-- member's refusal is its own. Raises only what no member is to blame for; the caller then sends them one by one.
--
-- One more row, ordinal -2, holds the server's time. When a claim comes back without runs, or a report is followed by
-- another attempt, and a run waits for its time, another tells when to look again: ordinal -1, detail the seconds. And
-- ordinal -4, detail "ordinal,…", names claims that cannot have any run, whatever becomes claimable: their executor is
-- not active, or they were answered before.
--
-- Lock order: the claims' gate, request ids, concurrency keys, runs, their leases, pipelines. So keys are locked before
-- the first run, also for the claims, which pick after the reports: what a report frees, a claim of the same exchange
-- can have. Waiting runs whose time has come are locked, without waiting for them, after all that reports lock: theirs
-- is an order of its own.
-- p_patience_ms: how long to wait for a lock; then 55P03, and nothing has changed. Null: as long as the session does.
-- p_gather: ordinal -3, detail "kind:count,…", holds what became claimable, which is then not notified.
create or replace function ops.exchange_each(
  p_reports jsonb, p_claims jsonb, p_patience_ms int default null, p_gather boolean default false)
returns setof ops.member_answer
language plpgsql volatile security definer set search_path = ''
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off
  set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  -- assigned rather than performed: `perform` is a statement of its own, which costs a small exchange more
  v_set     text;
  v_gather  boolean := ops.gather_ready(true);
  v_checked record;
  v_report  record;
  v_claims  ops.member_answer[];
  v_one     ops.member_answer;
  v_told    text;
  v_look    boolean := false;
begin
  if p_patience_ms is not null then
    v_set := set_config('lock_timeout', p_patience_ms::text, true);
  end if;
  if jsonb_array_length(p_claims) > 0 then
    perform ops.pass_gate();
  end if;
  v_checked := ops.checked_claims(p_claims);
  if cardinality(v_checked.claims) > 0 then
    perform ops.lock_keys_ahead(v_checked.claims);
  end if;
  if jsonb_array_length(p_reports) > 0 then
    v_report := ops.report_each(p_reports);
    v_look := cardinality(v_report.ended) < jsonb_array_length(p_reports);
    perform ops.settle(v_report.ended, 'executor');
    return query select a.* from unnest(v_report.answers) a;
  end if;
  if cardinality(v_checked.claims) > 0 then
    perform ops.promote_ready(100, 'claim');
    v_claims := ops.carry_claims(v_checked.claims);
    return query select a.* from unnest(v_claims) a;
    foreach v_one in array v_claims loop
      if v_one.detail like '{"runs": []%' then
        v_look := true;
        v_told := (select string_agg(c.ordinal::text, ',') from unnest(v_checked.claims) c where c.repeated is not null);
        exit;
      end if;
    end loop;
    if v_told is not null then
      return next (-4, null, v_told)::ops.member_answer;
    end if;
    perform ops.seen(array(select c.executor_id from unnest(v_checked.claims) c));
  end if;
  if v_look then
    v_told := ops.next_due()::text;
    if v_told is not null then
      return next (-1, null, v_told)::ops.member_answer;
    end if;
  end if;
  if cardinality(v_checked.refusals) > 0 then
    return query select r.* from unnest(v_checked.refusals) r;
  end if;
  return next (-2, null, ops.iso(ops.now()))::ops.member_answer;
  if not p_gather then
    perform ops.notify_gathered();
  else
    v_told := ops.gathered_ready();
    if v_told is not null then
      return next (-3, null, v_told)::ops.member_answer;
    end if;
  end if;
end
$$;

-- functions/core/executor_actor.sql
-- How an executor is named in events.
create or replace function ops.executor_actor(p_executor_id uuid) returns text
language sql stable
return coalesce('executor:' || (select e.name from ops.executors e where e.executor_id = p_executor_id), 'executor');

-- functions/core/expire_leases.sql
-- Sweep: revoke leases past their deadline, at most p_limit, and route their runs; then end the runs whose cancellation
-- nobody obeyed within a lease and the grace, and take back those that were told to stop for a cap. Never touches a run
-- whose report was accepted.
--
-- One statement selects and locks with SKIP LOCKED, and what it found is revoked under those locks; a renewal or a
-- report that is under way keeps its run. After a pause of the sweeper's own that is longer than the time between two
-- renewals, a lease has its whole length from the sweeper's return. A run that raises is passed over (ops.sweep_each).
-- Returns {expired: [{run_id, epoch, decision}]}.
create or replace function ops.expire_leases(p_limit int) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now    timestamptz := ops.now();
  v_late   uuid[];
  v_cancel uuid[];
  v_capped uuid[];
  v_done   jsonb;
begin
  perform ops.gather_ready(true);
  perform ops.sweeper_resumed();
  v_late := array(
    select l.run_id from ops.leases l join ops.runs r on r.run_id = l.run_id
     where l.lease_deadline < v_now and l.reported_at is null
       and ops.sweeper_back(l.lease_seconds) + ops.seconds(l.lease_seconds) <= v_now
     order by l.run_id limit p_limit for update of r, l skip locked);
  v_cancel := ops.unheeded_cancels(p_limit, v_late);
  v_capped := ops.unheeded_caps(p_limit, v_late || v_cancel);
  v_done := ops.sweep_each(array_fill('expire_one'::text, array[cardinality(v_late)])
                           || array_fill('revoke_one'::text, array[cardinality(v_cancel)])
                           || array_fill('take_capped_one'::text, array[cardinality(v_capped)]),
                           v_late || v_cancel || v_capped, 'reactor');
  delete from ops.claim_requests
   where created_at < v_now - make_interval(hours => ops.setting_number('claim_request_hours')::int);
  perform ops.notify_gathered();
  perform ops.drop_idle_keys(1000);
  perform ops.drop_empty_floors(1000);
  return jsonb_build_object('expired', (select coalesce(jsonb_agg(d - 'ended'), '[]') from jsonb_array_elements(v_done) d
                                         where d ? 'decision'));
end
$$;

-- functions/core/expire_one.sql
-- Mutate and emit: a step of the sweep (ops.sweep_each): a lease is past its deadline, and the run is taken from its
-- executor; see ops.take_back. The caller holds run and lease.
create or replace function ops.expire_one(p_run_id uuid, p_actor text) returns jsonb
language sql volatile set search_path = ''
as $$
  select ops.take_back(p_run_id, ops.expired_error(l.lease_deadline), p_actor, '{}', false)
    from ops.leases l where l.run_id = p_run_id
$$;

-- functions/core/expired_error.sql
-- The error of an attempt whose lease lapsed.
create or replace function ops.expired_error(p_deadline timestamptz) returns jsonb
language sql stable parallel safe
return jsonb_build_object('class', 'internal', 'code', 'lease_expired', 'message',
  'the executor was not heard of until the lease ended at '
  || to_char(p_deadline at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'));

-- functions/core/fail.sql
-- Refuse the request: raises p_code with the detail text as message, the problem's members as DETAIL (JSON) and what to
-- do as HINT. Every domain error of the schema goes through here. Never returns.
create or replace function ops.fail(p_code text, p_message text, p_members jsonb default '{}', p_hint text default null)
returns void
language plpgsql immutable set search_path = ''
as $$
begin
  raise exception using errcode = p_code, message = p_message, detail = p_members::text, hint = coalesce(p_hint, '');
end
$$;

-- functions/core/fail_held_one.sql
-- Mutate and emit: a step of the sweep (ops.sweep_each): a run that a budget held which refuses fails.
create or replace function ops.fail_held_one(p_run_id uuid, p_actor text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_run ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id;
  perform ops.finish_run(p_run_id, 'failed', 'budget_exhausted', p_actor, jsonb_build_object(
    'class', 'resources', 'code', 'budget_exhausted', 'message', ops.why_budget(v_run) -> 0 ->> 'message'));
  return jsonb_build_object('ended', jsonb_build_array(p_run_id));
end
$$;

-- functions/core/fail_output.sql
-- Mutate and emit: a publication cannot be committed, so its run has failed; those not yet committed are given up too.
-- p_refused: the body of the commit, where one was told and not taken.
create or replace function ops.fail_output(
  p_publication ops.publications, p_error jsonb, p_actor text, p_refused jsonb default null)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  update ops.publications p set
    state = 'failed', failed_at = ops.now(),
    refused = case when p.output = p_publication.output and p_refused is not null then jsonb_build_object(
                'table_version', (p_refused ->> 'table_version')::bigint, 'location', p_refused -> 'location') end,
    error = case when p.output = p_publication.output then p_error else jsonb_build_object('class', p_error -> 'class',
              'code', 'abandoned', 'message', format('output %s could not be published', p_publication.output)) end
   where p.run_id = p_publication.run_id and p.epoch = p_publication.epoch and p.state = 'recorded';
  perform ops.emit(p_publication.run_id, 'publication.failed', p_publication.epoch, p_actor,
    jsonb_build_object('output', p_publication.output, 'error', p_error - 'trace'));
  perform ops.finish_run(p_publication.run_id, 'failed', 'publication_failed', p_actor, p_error,
    (select a.result from ops.attempts a where a.run_id = p_publication.run_id and a.epoch = p_publication.epoch));
  perform ops.settle(array[p_publication.run_id], p_actor);
end
$$;

-- functions/core/failed_outputs.sql
-- The outputs that a run's last attempt could not publish: [{output, uri, error}].
create or replace function ops.failed_outputs(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('output', p.output, 'uri', p.uri, 'error', p.error - 'trace')
                            order by p.output), '[]')
    from ops.publications p
   where p.run_id = (p_run).run_id and p.epoch = (p_run).epoch and p.state = 'failed'
$$;

-- functions/core/find_executor.sql
-- Guard: the executor behind a reference (executor_id or number), one that the operator may steer: all its workspaces
-- must be open to the token. Locks nothing. Raises OPN03, OPU02, OPC09 (it has left).
create or replace function ops.find_executor(p_token ops.tokens, p_ref text) returns ops.executors
language plpgsql volatile set search_path = ''
as $$
declare
  v_executor ops.executors;
begin
  if p_ref ~ '^[0-9]{1,18}$' then
    select * into v_executor from ops.executors e where e.number = p_ref::bigint;
  elsif p_ref ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    select * into v_executor from ops.executors e where e.executor_id = p_ref::uuid;
  end if;
  if v_executor.executor_id is null then
    perform ops.fail('OPN03', format('there is no executor %s', left(p_ref, 80)), '{}',
                     'Give an executor_id or a number, as `executors ls` shows them.');
  elsif not ops.opens_executor(p_token.workspaces, v_executor) then
    perform ops.fail('OPU02', format('executor %s works in workspaces that token %s does not open', v_executor.number,
        p_token.name), jsonb_build_object('workspaces', p_token.workspaces), 'Use a token that opens them all.');
  elsif v_executor.state = 'left' then
    perform ops.fail('OPC09', format('executor %s has left', v_executor.number),
                     jsonb_build_object('left_at', ops.iso(v_executor.left_at)), 'See `control-room executors ls`.');
  end if;
  return v_executor;
end
$$;

-- functions/core/find_parent.sql
-- The run behind a reference, a run_id or a number, when the token may see it; else a row of nulls.
create or replace function ops.find_parent(p_token ops.tokens, p_ref text) returns ops.runs
language plpgsql stable set search_path = ''
as $$
declare
  v_run ops.runs;
begin
  if p_ref ~ '^[0-9]{1,18}$' then
    select * into v_run from ops.runs r where r.number = p_ref::bigint;
  elsif p_ref ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    select * into v_run from ops.runs r where r.run_id = p_ref::uuid;
  end if;
  if v_run.workspace <> all (p_token.workspaces) then
    return null;
  end if;
  return v_run;
end
$$;

-- functions/core/find_template.sql
-- The version of a template that a submit names, or its newest. Raises OPN02.
create or replace function ops.find_template(p_workspace text, p_name text, p_version int default null)
returns ops.templates
language plpgsql stable set search_path = ''
as $$
declare
  v_template ops.templates;
begin
  select * into v_template from ops.templates t
   where t.workspace = p_workspace and t.name = p_name and (p_version is null or t.version = p_version)
   order by t.version desc limit 1;
  if v_template.template_id is null then
    perform ops.fail('OPN02', format('workspace %s has no template %s', p_workspace,
        left(coalesce(p_name, '(none)'), 80) || coalesce(' version ' || p_version, '')),
      '{}', 'See `templates ls`; apply one with `templates apply`.');
  end if;
  return v_template;
end
$$;

-- functions/core/finish_run.sql
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

-- functions/core/first_names.sql
-- Names for a message, as text: ten of them, and how many more there are. '' for none.
create or replace function ops.first_names(p_names text[]) returns text
language sql immutable parallel safe
return array_to_string(p_names[1:10], ', ')
    || case when cardinality(p_names) > 10 then format(' and %s more', cardinality(p_names) - 10) else '' end;

-- functions/core/first_try.sql
-- The run that a retry goes back to over all retries between; the run itself when it is none.
create or replace function ops.first_try(p_run_id uuid) returns uuid
language sql stable set search_path = ''
as $$
  with recursive earlier as (
    select r.run_id, r.retry_of from ops.runs r where r.run_id = p_run_id
    union all
    select r.run_id, r.retry_of from earlier e join ops.runs r on r.run_id = e.retry_of)
  select e.run_id from earlier e where e.retry_of is null
$$;

-- functions/core/floor_is_empty.sql
-- Whether no run that may be claimed stands there.
create or replace function ops.floor_is_empty(p_floor ops.queue_floors) returns boolean
language sql stable set search_path = ''
as $$
  select not exists (select from ops.runs r where r.state = 'queued' and not r.paused and r.queue = (p_floor).queue
                        and r.kind = (p_floor).kind and r.priority = (p_floor).priority)
$$;

-- functions/core/floor_lock.sql
-- The advisory lock under which a claim floor is made and dropped: one of 64, so that a batch with thousands of queues
-- takes no more.
create or replace function ops.floor_lock(p_queue text, p_kind text, p_priority int) returns bigint
language sql immutable parallel safe
return hashtextextended('ops.floors:'
  || (hashtextextended(concat_ws(chr(31), p_queue, p_kind, p_priority), 0) & 63), 0);

-- functions/core/follow_report.sql
-- Mutate and emit: what an accepted report does to its run. A report that ends the run is told by the event of that
-- end; one after which the run goes on has an event of its own. Returns the route {decision, reason, retry_at, ended}.
create or replace function ops.follow_report(p_attempt ops.attempts, p_body jsonb) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_actor text  := ops.executor_actor(p_attempt.executor_id);
  v_told  jsonb := ops.report_told(p_attempt, p_body);
  v_route jsonb := '{"decision": "finish", "reason": "succeeded", "retry_at": null, "ended": true}';
begin
  if p_attempt.outcome <> 'succeeded' then
    v_route := ops.route_run(p_attempt.run_id, p_attempt.outcome, p_attempt.error, v_actor, p_attempt.result,
                             v_told);
  elsif exists (select from ops.publications p where p.run_id = p_attempt.run_id and p.epoch = p_attempt.epoch) then
    update ops.leases set reported_at = ops.now() where run_id = p_attempt.run_id;
    update ops.runs set state_reason = 'publishing' where run_id = p_attempt.run_id;
    perform ops.emit(p_attempt.run_id, 'attempt.reported', p_attempt.epoch, v_actor, v_told);
    perform ops.emit(p_attempt.run_id, 'run.publishing', null, v_actor);
    return '{"decision": "publish", "reason": "publications are to be committed", "retry_at": null, "ended": false}';
  else
    perform ops.finish_run(p_attempt.run_id, 'succeeded', null, v_actor, null, p_attempt.result, v_told);
  end if;
  return v_route;
end
$$;

-- functions/core/foreign_location.sql
-- The error of a commit whose table lies in another workspace's place: runs that read it would get keys for that. Null
-- when it does not. The run fails by it and is not left publishing, since a repetition would say the same.
create or replace function ops.foreign_location(p_publication ops.publications, p_location text) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('class', 'user', 'code', 'location_foreign', 'message',
           format('the table was committed, but lies at %s, which is no place of workspace %s', p_location, r.workspace))
    from ops.runs r
   where r.run_id = p_publication.run_id and p_location is not null and not ops.is_table_for(r.workspace, p_location)
$$;

-- functions/core/free_slots.sql
-- How many more runs may hold each of these keys: limit, less its leases (those that are publishing included), less the
-- runs picked in this claim. Counted, never kept. The caller locked the keys in an earlier statement.
create or replace function ops.free_slots(p_keys text[], p_picked uuid[]) returns table (key text, free bigint)
language plpgsql stable set search_path = ''
as $$
begin
  if cardinality(p_keys) = 0 then
    return;
  end if;
  return query select ops.key_of(k.workspace, k.key),
         k."limit"
         - (select count(*) from ops.leases l where l.workspace = k.workspace and l.concurrency_key = k.key)
         - (select count(*) from ops.runs r where r.run_id = any (p_picked) and r.workspace = k.workspace
             and r.concurrency_key = k.key)
    from ops.split_keys(p_keys) s
   cross join lateral (select c.workspace, c.key, c."limit" from ops.concurrency_keys c
                        where c.workspace = s.workspace and c.key = s.key offset 0) k;
end
$$;

-- functions/core/free_tasks.sql
-- Mutate and emit: a pipeline waits for other runs no longer, only for its tasks. Returns those of its first tasks that
-- are ready; the others go on waiting for their time.
create or replace function ops.free_tasks(p_pipeline_run_id uuid, p_actor text) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_later uuid[];
begin
  update ops.runs set state_reason = 'waiting_on_tasks' where run_id = p_pipeline_run_id;
  perform ops.emit(p_pipeline_run_id, 'run.waiting', null, p_actor);
  v_later := array(select r.run_id from ops.runs r where r.pipeline_run_id = p_pipeline_run_id
                      and r.state_reason = 'waiting_on_pipeline' and r.not_before > ops.now() order by r.run_id);
  if cardinality(v_later) > 0 then
    update ops.runs set state_reason = 'not_before' where run_id = any (v_later);
    perform ops.append_events(v_later, 'run.waiting', p_actor);
  end if;
  return array(select r.run_id from ops.runs r
                where r.pipeline_run_id = p_pipeline_run_id and r.state_reason = 'waiting_on_pipeline' order by r.run_id);
end
$$;

-- functions/core/full_budgets.sql
-- Of a run's lines the budgets without room for it: [{budget_id, scope, workspace, template_name, unit, period, policy,
-- limit, used, reserved, estimate, period_end}]; when all have some, [].
create or replace function ops.full_budgets(p_lines ops.budget_line[]) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
           'budget_id', g.budget_id, 'scope', g.scope, 'workspace', g.workspace, 'template_name', g.template_name,
           'unit', g.unit, 'period', g.period, 'policy', g.policy, 'limit', g."limit", 'used', coalesce(b.used, 0),
           'reserved', coalesce(b.reserved, 0), 'estimate', l.reserved,
           'period_end', ops.iso(ops.period_end(g.period, g.timezone, l.period_start))) order by g.budget_id), '[]')
    from unnest(p_lines) l join ops.budgets g on g.budget_id = l.budget_id
    left join ops.budget_balances b on (b.budget_id, b.period_start) = (l.budget_id, l.period_start)
   where coalesce(b.used, 0) + coalesce(b.reserved, 0) + l.reserved > g."limit"
$$;

-- functions/core/gather_ready.sql
-- Mutate this transaction: with true, what becomes claimable is gathered instead of notified, since a commit that
-- notifies waits for all others that do. The caller gives it out (ops.gathered_ready), and its caller tells it: to the
-- claims that wait in its own process, and to other processes by ops.tell_ready.
-- Returns p_gather, so that it can be assigned, which is cheaper than `perform`.
create or replace function ops.gather_ready(p_gather boolean) returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_set text;
begin
  v_set := set_config('ops.gather', case when p_gather then 'on' else 'off' end, true);
  v_set := set_config('ops.gathered', '', true);
  return p_gather;
end
$$;

-- functions/core/gathered_ready.sql
-- What became claimable since ops.gather_ready(true), "kind:count,…", each kind once, or null; the gathering ends.
create or replace function ops.gathered_ready() returns text
language plpgsql volatile set search_path = ''
as $$
declare
  v_told   text    := nullif(current_setting('ops.gathered', true), '');
  v_gather boolean := ops.gather_ready(false);
begin
  return case when v_told is not null then (
    select string_agg(k.kind || ':' || k.runs, ',' order by k.kind)
      from (select split_part(part, ':', 1) as kind, sum(split_part(part, ':', 2)::bigint) as runs
              from unnest(string_to_array(v_told, ',')) part group by 1) k) end;
end
$$;

-- functions/core/give_way.sql
-- Mutate and emit: cancel a run that does not run, for a new one in its place. Returns false when it runs: it stays.
create or replace function ops.give_way(p_token ops.tokens, p_run_id uuid) returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_run ops.runs := ops.lock_family(p_run_id);
begin
  if v_run.state in ('waiting', 'queued') then
    perform ops.cancel_family(v_run, 'replaced by a new submit with its dedupe key', false, 'operator:' || p_token.name);
  end if;
  return v_run.state <> 'running';
end
$$;

-- functions/core/has_fixed_outputs.sql
-- Whether the outputs of a template are good as they stand, for any parameters: each by itself, and no two of them at
-- one address. See ops.planned_outputs.
create or replace function ops.has_fixed_outputs(p_outputs jsonb) returns boolean
language sql stable set search_path = ''
as $$
  select coalesce(bool_and(ops.output_wrong(coalesce(o ->> 'format', 'delta'), coalesce(o ->> 'mode', 'overwrite'),
                                            o ->> 'path') is null), true)
         and count(*) = count(distinct (coalesce(o ->> 'format', 'delta') = 'iceberg', o ->> 'path'))
    from jsonb_array_elements(coalesce(nullif(p_outputs, 'null'), '[]')) o
$$;

-- functions/core/heartbeat.sql
-- Heartbeat: renew the leases named, all of them in one statement, and say a directive for each.
--   p_body {state: active|draining, trouble?, runs: [{run_id, epoch, progress|null, usage|null, metrics?}]}
-- Returns {directive, heartbeat_seconds, server_time, runs: [{run_id, epoch, directive, lease_deadline|null,
-- reason|null, grace_seconds|null, caps|null, cap_rules?}]} in the order sent. A stale member is told so (superseded,
-- already_terminal) and never fails the others. Touches leases only, and a run's row but where its cost passes a cap
-- and nobody holds it, so that it waits for nobody but a report of the same run. Raises OPU01, OPU02, OPN03, OPC09,
-- OPV01.
create or replace function ops.heartbeat(p_token_id uuid, p_executor_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off
  set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_executor ops.executors := ops.own_executor(p_token_id, p_executor_id);
  v_state    text := coalesce(p_body ->> 'state', 'active');
  v_runs     jsonb := coalesce(nullif(p_body -> 'runs', 'null'), '[]');
begin
  if v_state not in ('active', 'draining') then
    perform ops.invalid('/state', 'must be active or draining');
  elsif jsonb_typeof(v_runs) <> 'array' then
    perform ops.invalid('/runs', 'must be a list');
  end if;

  perform ops.renew_leases(p_executor_id, v_runs);
  perform ops.enforce_costs(p_executor_id, v_runs);
  update ops.executors set last_seen_at = ops.now(), trouble = nullif(left(p_body ->> 'trouble', 1024), '')
   where executor_id = p_executor_id returning * into v_executor;
  if v_executor.state = 'left' then  -- since it was looked at above
    perform ops.own_executor(p_token_id, p_executor_id);
  elsif v_state = 'draining' and v_executor.state <> 'draining' then  -- by itself: nobody's word any more
    update ops.executors set state = 'draining', state_at = null, state_by = null, state_reason = null
     where executor_id = p_executor_id returning * into v_executor;
  end if;

  return jsonb_build_object(
    'directive', case v_executor.state when 'draining' then 'drain' else 'continue' end,
    'heartbeat_seconds', ops.heartbeat_seconds(p_executor_id), 'server_time', ops.iso(ops.now()),
    'runs', ops.directives(v_executor, v_runs));
end
$$;

-- functions/core/heartbeat_seconds.sql
-- How often an executor should be heard: one that holds runs within a third of the shortest lease, though not more than
-- once a second for that, and within 5 s, for their progress; within order_milliseconds when it cannot wait for orders
-- (contract 1.0), as it hears of them by heartbeats alone, or when what its runs cost is capped, as that is looked at
-- then; one that holds none within 5 s; either within the setting. greatest() passes over a null.
create or replace function ops.heartbeat_seconds(p_executor_id uuid) returns numeric
language plpgsql stable set search_path = ''
as $$
begin
  return least(
    coalesce(ops.setting_number('heartbeat_seconds'), 20),
    coalesce((select least(5, greatest(1, round(min(l.lease_seconds) / 3.0, 1)),
                           case when e.contract_version = '1.0' or bool_or(r.caps ? 'cost' or r.cap_rules ? 'cost')
                                then round(ops.setting_number('order_milliseconds') / 1000, 3) end)
                from ops.leases l join ops.runs r on r.run_id = l.run_id
                join ops.executors e on e.executor_id = l.executor_id
               where l.executor_id = p_executor_id group by e.contract_version), 5));
end
$$;

-- functions/core/hold_for_budgets.sql
-- Mutate and emit: queued runs that found no room in a budget wait for it, with a row in the ledger of caps. Claims
-- that are waiting look again: what stands behind these may have room.
create or replace function ops.hold_for_budgets(p_starts ops.member_start[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_run_ids uuid[] := array(select s.run_id from unnest(p_starts) s);
  v_kinds   text[];
begin
  if cardinality(v_run_ids) = 0 then
    return;
  end if;
  update ops.runs r set state = 'waiting', state_reason = 'budget_exhausted', ready_seq = null
   where r.run_id = any (v_run_ids);
  v_kinds := array(select distinct r.kind from ops.runs r where r.run_id = any (v_run_ids));
  perform ops.append_events(v_run_ids, 'run.waiting', 'budget', array(
    select jsonb_build_object('budgets', ops.full_budgets(s.reserved)) from unnest(p_starts) s));
  insert into ops.cap_ledger (run_id, epoch, layer, cap, "limit", observed, overshoot, overshoot_ms, action, at)
  select r.run_id, r.epoch, 'admission', f.value ->> 'unit', (f.value ->> 'limit')::numeric,
         (f.value ->> 'used')::numeric + (f.value ->> 'reserved')::numeric + (f.value ->> 'estimate')::numeric, 0, 0,
         'held', ops.now()
    from unnest(p_starts) s join ops.runs r on r.run_id = s.run_id
   cross join lateral jsonb_array_elements(ops.full_budgets(s.reserved)) f;
  perform ops.notify_ready(v_kinds);
end
$$;

-- functions/core/hold_lease.sql
-- Guard and lock for attempt-side verbs that add to an attempt (logs, artifacts): the run is locked until the
-- transaction ends, so that no revocation or report can pass in between, then (run, epoch) must hold the lease.
-- A lease past its deadline that nobody has revoked is still current. Renewals touch the lease alone and do not wait.
-- Raises OPU01, OPN01, OPU02 (held by an executor of another token), OPC01 (stale epoch).
create or replace function ops.hold_lease(p_token_id uuid, p_run_id uuid, p_epoch bigint) returns ops.leases
language plpgsql volatile set search_path = ''
as $$
declare
  v_token ops.tokens := ops.require(p_token_id, array['executor']);
  v_lease ops.leases;
begin
  perform from ops.runs r where r.run_id = p_run_id for no key update;
  perform ops.check_attempt_owner(v_token, p_run_id, p_epoch);
  select * into v_lease from ops.leases l where l.run_id = p_run_id and l.epoch = p_epoch;
  if v_lease.run_id is null then
    perform ops.lease_lost(p_run_id, p_epoch);
  end if;
  return v_lease;
end
$$;

-- functions/core/inherited.sql
-- What a child run takes from its pipeline's submit body, unless the task says otherwise: scheduling and tracing.
create or replace function ops.inherited(p_body jsonb, p_task jsonb) returns jsonb
language sql stable parallel safe
return jsonb_strip_nulls(jsonb_build_object(
  'priority', coalesce(p_task -> 'priority', p_body -> 'priority'),
  'queue', coalesce(p_task -> 'queue', p_body -> 'queue'),
  'not_before', p_body -> 'not_before', 'deadline', p_body -> 'deadline', 'labels', p_body -> 'labels',
  'traceparent', p_body -> 'traceparent'));

-- functions/core/input_wrong.sql
-- What is wrong with an input of a template that comes from the output of a run, null when nothing is known to be. Who
-- reads tables or artifacts alone never meets an object; an object is what a run declares, so that its name is known
-- ahead, while the names of artifacts and of tables that engines write are decided by the parent's code.
create or replace function ops.input_wrong(p_template ops.templates, p_input text, p_parent ops.runs, p_output text)
returns text
language sql immutable set search_path = ''
as $$
  select case
    when f.kind <> 'object' and f.format = 'object'
      then format('output %s of run %s is of kind object, the input is declared as %s', f.output, f.number, f.kind)
    when f.kind = 'object' and f.format <> 'object'
      then format('output %s of run %s is of kind table, the input is declared as object', f.output, f.number)
    when f.kind = 'object' and f.format is null
      then format('run %s has no output %s; it has: %s', f.number, f.output, coalesce(nullif(ops.first_names(
        array(select o ->> 'name' from jsonb_array_elements(p_parent.outputs) o order by 1)), ''), 'none')) end
    from (select left(p_output, 80) as output, p_parent.number as number,
                 coalesce((select i ->> 'kind'
                             from jsonb_array_elements(coalesce(nullif(p_template.spec -> 'inputs', 'null'), '[]')) i
                            where i ->> 'name' = p_input limit 1), 'table') as kind,
                 (select o ->> 'format' from jsonb_array_elements(p_parent.outputs) o
                   where o ->> 'name' = p_output limit 1) as format) f
$$;

-- functions/core/invalid.sql
-- Refuse a body: OPV01 with one entry in `errors`. p_path is a JSON pointer.
create or replace function ops.invalid(p_path text, p_message text, p_hint text default null) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  perform ops.fail('OPV01', format('%s: %s', p_path, p_message),
                   jsonb_build_object('errors', jsonb_build_array(
                     jsonb_build_object('path', p_path, 'message', p_message))), p_hint);
end
$$;

-- functions/core/is_due.sql
-- Whether a run waits for nothing but a time, which has come.
create or replace function ops.is_due(p_run ops.runs) returns boolean
language sql stable set search_path = ''
as $$
  select (p_run).state = 'waiting' and (p_run).state_reason in ('not_before', 'retry_backoff') and not (p_run).paused
         and (p_run).not_before <= ops.now()
$$;

-- functions/core/is_iceberg_path.sql
-- Whether a path, its parameters filled in, is namespace/table of the Iceberg catalog. No namespace begins with ws_:
-- those are of other workspaces than `default` (ops.output_address).
create or replace function ops.is_iceberg_path(p_path text) returns boolean
language sql immutable set search_path = ''
as $$
  select coalesce(p_path, '') ~ '^[a-z][a-z0-9_]{0,62}/[a-z][a-z0-9_]{0,62}$' and p_path !~ '^ws_'
$$;

-- functions/core/is_noted.sql
-- Whether the events of an attempt tell already that this body came for it again, or tell of ten others.
create or replace function ops.is_noted(p_attempt ops.attempts, p_digest bytea) returns boolean
language sql stable set search_path = ''
as $$
  select count(*) >= 10 or coalesce(bool_or(e.canonical::jsonb #>> '{data,digest_sent}' = encode(p_digest, 'hex')), false)
    from ops.events e
   where e.run_id = (p_attempt).run_id and e.type = 'report.differs' and e.epoch = (p_attempt).epoch
$$;

-- functions/core/is_output_path.sql
-- Whether a path, its parameters filled in, is one of plain names, of which none leads elsewhere or is reserved: _ws is
-- where the tables of other workspaces than `default` lie (ops.workspace_root), *.staged where objects are staged.
create or replace function ops.is_output_path(p_path text) returns boolean
language sql immutable set search_path = ''
as $$
  select coalesce(p_path, '') ~ '^[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*$'
         and p_path !~ '(^|/)(\.{1,2}|_delta_log|[^/]*\.staged)(/|$)' and p_path !~ '^_ws(/|$)'
$$;

-- functions/core/is_plain_claim.sql
-- Whether a claim's body is well formed, with the id in its plain spelling; ops.check_claim judges the others.
create or replace function ops.is_plain_claim(p_body jsonb) returns boolean
language sql immutable parallel safe
return coalesce(
  p_body ->> 'request_id' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
  and p_body ->> 'max_runs' ~ '^([1-9][0-9]?|100)$'
  and coalesce(jsonb_typeof(p_body -> 'queues'), 'null') in ('array', 'null'), false);

-- functions/core/is_plain_report.sql
-- Whether a report's body is well formed and says no more than that the attempt succeeded.
create or replace function ops.is_plain_report(p_body jsonb) returns boolean
language sql immutable parallel safe
return coalesce(
  p_body ->> 'outcome' = 'succeeded'
  and jsonb_typeof(p_body -> 'epoch') = 'number' and p_body ->> 'epoch' ~ '^[0-9]{1,18}$'
  and jsonb_typeof(p_body -> 'idempotency_key') = 'string' and length(p_body ->> 'idempotency_key') between 1 and 200
  and coalesce(p_body -> 'publications', '[]') in ('[]', 'null')
  and coalesce(p_body -> 'cap_ledger', '[]') in ('[]', 'null')
  and coalesce(jsonb_typeof(p_body -> 'usage'), 'null') in ('object', 'null')
  and coalesce(jsonb_typeof(p_body -> 'metrics'), 'null') in ('object', 'null'), false);

-- functions/core/is_plain_submit.sql
-- Whether a submit's body is well formed and asks for nothing that is looked at one by one: no parents, no key but the
-- idempotency key, no caps, retry policy or reuse of its own. Times are not read here.
create or replace function ops.is_plain_submit(p_body jsonb) returns boolean
language sql immutable parallel safe
return coalesce(
  jsonb_typeof(p_body) = 'object'
  and not p_body ?| '{depends_on,condition,dedupe_key,on_conflict,concurrency_key,concurrency_limit,caps,retry,reuse}'
  and jsonb_typeof(p_body -> 'template') = 'string'
  and coalesce(jsonb_typeof(p_body -> 'workspace'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_body -> 'queue'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_body -> 'not_before'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_body -> 'deadline'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_body -> 'traceparent'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_body -> 'idempotency_key'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_body -> 'params'), 'object') = 'object'
  and coalesce(jsonb_typeof(p_body -> 'labels'), 'object') = 'object'
  and coalesce(jsonb_typeof(p_body #> '{checked,params}'), 'object') = 'object'
  and coalesce(p_body #>> '{checked,template_version}', '0') ~ '^[0-9]{1,9}$'
  and coalesce(p_body ->> 'template_version', '0') ~ '^[0-9]{1,9}$'
  and coalesce(p_body ->> 'priority', '0') ~ '^-?[0-9]{1,9}$'
  and coalesce(p_body ->> 'max_attempts', '1') ~ '^[1-9][0-9]?$'
  and coalesce(p_body ->> 'lease_seconds', '10') ~ '^[1-9][0-9]{1,2}$', false);

-- functions/core/is_read_only.sql
-- Whether the run's template promises that it writes nothing, which its executor holds it to.
create or replace function ops.is_read_only(p_run ops.runs) returns boolean
language sql stable set search_path = ''
as $$
  select coalesce(t.spec #> '{config,read_only}' = 'true', false)
    from ops.templates t where t.template_id = p_run.template_id
$$;

-- functions/core/is_released.sql
-- Whether an attempt that ended so was given back by an executor that left (ops.leave_executor). No report can say so:
-- `expired` is no outcome of one.
create or replace function ops.is_released(p_outcome text, p_error jsonb) returns boolean
language sql immutable parallel safe
return coalesce(p_outcome = 'expired' and p_error ->> 'code' = 'released', false);

-- functions/core/is_settled_so.sql
-- Whether what is told of a publication that has ended is what it ended by: the same commit, taken or refused, or a
-- failure where one is on record, since two who try the same find other words for why they cannot.
create or replace function ops.is_settled_so(p_publication ops.publications, p_body jsonb) returns boolean
language sql immutable set search_path = ''
as $$
  select case
    when (p_publication).state = 'failed' and p_body ->> 'state' = 'failed' then true
    when p_body ->> 'state' = 'committed' and told.version is not null
      then told.version = (p_body ->> 'table_version')::bigint
           and told.location is not distinct from p_body ->> 'location'
    else false end
    from (select coalesce((p_publication).table_version, ((p_publication).refused ->> 'table_version')::bigint)
                   as version,
                 coalesce((p_publication).location, (p_publication).refused ->> 'location') as location) told
$$;

-- functions/core/is_table_for.sql
-- Whether runs of a workspace may name the table at this URI as one of theirs, to be read by what follows them: not one
-- of another workspace, nor a folder that holds such, nor one in another's Iceberg namespace. Store keys of a run are
-- narrowed by URI, so what a store's policy or a client takes for more than a name (wildcards, variables, escapes,
-- empty names, dots) is none either. Any other table outside the lakehouse root belongs to no workspace.
create or replace function ops.is_table_for(p_workspace text, p_uri text) returns boolean
language sql stable set search_path = ''
as $$
  select case
    when p_uri !~* '^s3' then true
    when named.uri !~ '^s3://[^/]' or substr(named.uri, 6) ~ '[*?$%#\\]|//|/[.]{1,2}(/|$)' then false
    when starts_with(named.root || '/', named.uri || '/') then false
    when named.uri ~ '/_ws(/|$)' then p_workspace <> 'default' and starts_with(named.uri || '/', named.own || '/')
    when not starts_with(named.uri, named.root || '/') and named.folder ~ '/ws_[^/]*__'
      then p_workspace <> 'default' and not exists (
        select from regexp_split_to_table(named.folder, '/') part
         where part ~ '^ws_.*__' and not starts_with(part, named.space))
    else p_workspace = 'default' or not starts_with(named.uri, named.root || '/')
  end
  from (select regexp_replace(rtrim(p_uri, '/'), '^s3a?://', 's3://') as uri,
               regexp_replace(ops.workspace_root('default'), '^s3a?://', 's3://') as root,
               regexp_replace(ops.workspace_root(p_workspace), '^s3a?://', 's3://') as own,
               regexp_replace(rtrim(p_uri, '/'), '/[^/]*$', '') as folder,
               ops.workspace_namespace(p_workspace, '') as space) named
$$;

-- functions/core/is_terminal.sql
-- Whether a run in this state is done for good.
create or replace function ops.is_terminal(p_state text) returns boolean
language sql immutable parallel safe
return p_state in ('succeeded', 'failed', 'cancelled', 'skipped');

-- functions/core/is_unsure.sql
-- Whether nobody knows what an attempt wrote, or a part of it is written: nobody reported it, or its executor says so.
create or replace function ops.is_unsure(p_outcome text, p_error jsonb) returns boolean
language sql immutable parallel safe
return p_outcome = 'expired' or coalesce(p_error ->> 'code' in ('outcome_unknown', 'partly_written'), false);

-- functions/core/iso.sql
-- A time as the contract writes it: ISO-8601, UTC, microseconds, 'Z'. Null stays null.
create or replace function ops.iso(p_at timestamptz) returns text
language sql stable parallel safe
return to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

-- functions/core/keep_dropped_head.sql
-- Mutate: where the chain of a run was cut when its month was dropped, written down when an event comes after that:
-- then the own head of the run moves on, and only this tells what was dropped from what is missing. Once for each run.
create or replace function ops.keep_dropped_head(p_run_id uuid) returns void
language sql volatile set search_path = ''
as $$
  insert into ops.dropped_heads (run_id, seq, hash)
  select e.run_id, e.seq - 1, e.prev_hash from ops.events e
   where e.run_id = p_run_id
     and exists (select from ops.dropped_partitions d
                  where d.parent = 'events' and d.from_run_id <= p_run_id and p_run_id < d.to_run_id)
   order by e.seq limit 1
  on conflict do nothing
$$;

-- functions/core/keep_ready.sql
-- Mutate this transaction: what its verbs make claimable is kept for their caller (ops.kept_ready) instead of notified.
-- Called before the verb: see ops_schema/_store_queries.py. Verbs that tell of no number, so that all look, notify.
create or replace function ops.keep_ready() returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform set_config('ops.kept', '', true);
  return set_config('ops.keep', 'on', true) = 'on';
end
$$;

-- functions/core/keeps_key_alone.sql
-- Whether a submit may use up an idempotency key without making a run (see ops.deduplicated).
create or replace function ops.keeps_key_alone(p_body jsonb) returns boolean
language sql immutable parallel safe
return coalesce(p_body ->> 'on_conflict' = 'return' and p_body ->> 'idempotency_key' is not null, false);

-- functions/core/kept_ready.sql
-- What became claimable since ops.keep_ready(), "kind:count,…", or null: for the caller to tell, see ops.tell_ready.
create or replace function ops.kept_ready() returns text
language plpgsql volatile security definer set search_path = ''
as $$
begin
  return nullif(current_setting('ops.kept', true), '');
end
$$;

-- functions/core/kept_until.sql
-- Until when the artifacts of a run that ends now are kept, by its template's retention; null: for good.
create or replace function ops.kept_until(p_run_id uuid) returns timestamptz
language sql stable set search_path = ''
as $$
  select ops.now() + make_interval(days => (t.spec #>> '{retention,artifact_days}')::int)
    from ops.runs r join ops.templates t on t.template_id = r.template_id where r.run_id = p_run_id
$$;

-- functions/core/key_is_used.sql
-- Whether a run that has not ended has this concurrency key.
create or replace function ops.key_is_used(p_workspace text, p_key text) returns boolean
language sql stable set search_path = ''
as $$
  select exists (select from ops.runs r where r.workspace = p_workspace and r.concurrency_key = p_key
                    and r.state in ('waiting', 'queued', 'running'))
$$;

-- functions/core/key_of.sql
-- A concurrency key with its workspace as one text, for sets of keys; null for a run without a key.
create or replace function ops.key_of(p_workspace text, p_key text) returns text
language sql immutable parallel safe
return p_workspace || chr(31) || p_key;

-- functions/core/keys_ahead.sql
-- The concurrency keys, not known yet, of the first ready runs that an executor could have. Runs of known keys
-- without a free slot are looked past. Locks nothing.
create or replace function ops.keys_ahead(
  p_executor ops.executors, p_queues text[], p_known text[], p_open text[])
returns text[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_floor ops.queue_floors;
  v_offer jsonb := ops.offer(p_executor);
  v_now   timestamptz := ops.now();
  v_keys  text[] := '{}';
begin
  for v_floor in
    select * from ops.queue_floors f where f.kind = p_executor.kind and (p_queues is null or f.queue = any (p_queues))
       and not exists (select from ops.queue_pauses u where u.queue = f.queue)
     order by f.priority desc, f.floor_seq
  loop
    v_keys := v_keys || array(
      select distinct ahead.key from (
        select ops.key_of(r.workspace, r.concurrency_key) as key from ops.runs r
         where r.state = 'queued' and not r.paused and r.queue = v_floor.queue and r.kind = v_floor.kind
           and r.priority = v_floor.priority and r.ready_seq >= v_floor.floor_seq
           and (p_executor.workspaces is null or r.workspace = any (p_executor.workspaces))
           and (r.requires is null or v_offer @> r.requires) and (r.deadline is null or r.deadline > v_now)
           and (r.concurrency_key is null or ops.key_of(r.workspace, r.concurrency_key) <> all (p_known)
                or ops.key_of(r.workspace, r.concurrency_key) = any (p_open))
         order by r.ready_seq limit 200) ahead
       where ahead.key is not null and ahead.key <> all (p_known || v_keys));  -- a null would hide all others
  end loop;
  return v_keys;
end
$$;

-- functions/core/keys_of_submits.sql
-- The concurrency keys that the submits of a batch bring; see ops.planned_keys. A member that is refused has none here
-- and is refused again, in its turn.
create or replace function ops.keys_of_submits(p_members jsonb) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_member   record;
  v_template ops.templates;
  v_keys     jsonb := '[]';
begin
  for v_member in
    select (m ->> 'token_id')::uuid as token_id, m -> 'body' as body,
           coalesce(m #>> '{body,workspace}', 'default') as workspace
      from jsonb_array_elements(p_members) m where jsonb_typeof(m -> 'body') = 'object'
  loop
    begin
      perform ops.check_workspace(ops.require(v_member.token_id, array['operator']), v_member.workspace);
      v_template := ops.find_template(v_member.workspace, v_member.body ->> 'template',
                                      (v_member.body ->> 'template_version')::int);
      v_keys := v_keys || ops.planned_keys(v_template, ops.checked_body(v_template, v_member.body),
        coalesce(v_member.body #> '{checked,tasks}', '{}'));
    exception when others then
      perform ops.refusal(sqlstate, sqlerrm, null, null);  -- raises again what is no refusal
    end;
  end loop;
  return v_keys;
end
$$;

-- functions/core/last_event.sql
-- The last event of a run of one of these types, as it is stored; null when there is none.
create or replace function ops.last_event(p_run_id uuid, p_types text[]) returns jsonb
language sql stable set search_path = ''
as $$
  select e.canonical::jsonb from ops.events e
   where e.run_id = p_run_id and e.type = any (p_types) order by e.seq desc limit 1
$$;

-- functions/core/lease_lost.sql
-- Refuse a stale epoch: raises OPC01 with {run_id, epoch_sent, epoch_current, reason, run_state}, or OPN01.
-- The caller holds the run's or the lease's lock, unless it only reads.
create or replace function ops.lease_lost(p_run_id uuid, p_epoch bigint) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_run    ops.runs;
  v_reason text;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id;
  if v_run.run_id is null then
    perform ops.fail('OPN01', format('there is no run %s', p_run_id));
  end if;
  v_reason := ops.lost_reason(v_run, p_epoch);
  perform ops.fail('OPC01',
    format('run %s: epoch %s no longer holds the lease (%s); the current epoch is %s',
           v_run.number, p_epoch, v_reason, v_run.epoch),
    jsonb_build_object('run_id', p_run_id, 'epoch_sent', p_epoch, 'epoch_current', v_run.epoch,
                       'reason', v_reason, 'run_state', v_run.state),
    'Stop this attempt and throw its output away.');
end
$$;

-- functions/core/left_outputs.sql
-- The names of what a run left for others to read, publications and visible artifacts, as text: ten at most.
create or replace function ops.left_outputs(p_run_id uuid) returns text
language sql stable set search_path = ''
as $$
  with known as (
    select p.output as name from ops.publications p where p.run_id = ops.worker_of(p_run_id) and p.state = 'committed'
    union
    select a.name from ops.artifacts a where a.run_id = ops.worker_of(p_run_id) and a.state = 'visible')
  select coalesce(nullif(ops.first_names(array(select k.name from known k order by k.name)), ''), 'nothing')
$$;

-- functions/core/list_dead_letters.sql
-- Dead letters (see the view), newest first. p_filters: workspace, template, kind, queue, error_class, state_reason,
-- finished_after, finished_before, limit, cursor.
-- Returns {items: [DeadLetter], next_cursor}. Raises OPU01, OPU02, OPV01.
create or replace function ops.list_dead_letters(p_token_id uuid, p_filters jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_limit  int        := ops.page_limit(p_filters, 50, 500);
  v_before bigint     := ops.page_cursor(p_filters ->> 'cursor');
  v_page   ops.dead_letters[];
begin
  v_page := array(
    select d from ops.dead_letters d
     where (v_before is null or d.number < v_before)
       and (v_caller.workspaces is null or d.workspace = any (v_caller.workspaces))
       and d.workspace = coalesce(p_filters ->> 'workspace', d.workspace)
       and d.template_name = coalesce(p_filters ->> 'template', d.template_name)
       and d.kind = coalesce(p_filters ->> 'kind', d.kind) and d.queue = coalesce(p_filters ->> 'queue', d.queue)
       and (p_filters ->> 'error_class' is null or d.error_class = p_filters ->> 'error_class')
       and (p_filters ->> 'state_reason' is null or d.state_reason = p_filters ->> 'state_reason')
       and (p_filters ->> 'finished_after' is null or d.finished_at >= (p_filters ->> 'finished_after')::timestamptz)
       and (p_filters ->> 'finished_before' is null or d.finished_at < (p_filters ->> 'finished_before')::timestamptz)
     order by d.number desc limit v_limit + 1);
  return jsonb_build_object(
    'items', (select coalesce(jsonb_agg(to_jsonb(d) || jsonb_build_object('submitted_at', ops.iso(d.submitted_at),
                'started_at', ops.iso(d.started_at), 'finished_at', ops.iso(d.finished_at)) order by d.number desc), '[]')
                from unnest(v_page[1:v_limit]) d),
    'next_cursor', case when cardinality(v_page) > v_limit then (v_page[v_limit]).number::text end);
end
$$;

-- functions/core/list_queues.sql
-- The queues that runs have stood in lately (claim_floor_empty_seconds) or that are paused, by name. Returns {items:
-- [Queue]}. Raises OPU01, OPU02.
create or replace function ops.list_queues(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
begin
  return jsonb_build_object('items', (
    select coalesce(jsonb_agg(ops.queue_json(q.queue, v_caller.workspaces) order by q.queue), '[]')
      from (select f.queue from ops.queue_floors f union select u.queue from ops.queue_pauses u) q));
end
$$;

-- functions/core/lock_balances.sql
-- Lock the balances of these lines, made where they are missing, in order of budget and period. Nothing else is locked
-- after them.
create or replace function ops.lock_balances(p_lines ops.budget_line[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  insert into ops.budget_balances (budget_id, period_start)
  select distinct l.budget_id, l.period_start from unnest(p_lines) l
   where not exists (select from ops.budget_balances b
                      where (b.budget_id, b.period_start) = (l.budget_id, l.period_start))
   order by 1, 2 on conflict do nothing;
  perform from ops.budget_balances b
    where (b.budget_id, b.period_start) in (select l.budget_id, l.period_start from unnest(p_lines) l)
    order by b.budget_id, b.period_start for update;
end
$$;

-- functions/core/lock_executor.sql
-- Guard and lock: the executor behind a reference, one that the operator may steer; see ops.find_executor. What the
-- token may not steer is never locked. Raises OPN03, OPU02, OPC09 (it has left).
create or replace function ops.lock_executor(p_token ops.tokens, p_ref text) returns ops.executors
language plpgsql volatile set search_path = ''
as $$
declare
  v_executor ops.executors := ops.find_executor(p_token, p_ref);
begin
  perform from ops.executors e where e.executor_id = v_executor.executor_id for update;
  return ops.find_executor(p_token, p_ref);  -- as it stands now
end
$$;

-- functions/core/lock_family.sql
-- Lock a run; of a pipeline first its children, in run-id order: the lock order of the schema. Returns the run's row.
create or replace function ops.lock_family(p_run_id uuid) returns ops.runs
language plpgsql volatile set search_path = ''
as $$
declare
  v_run ops.runs;
begin
  perform from ops.runs r where r.pipeline_run_id = p_run_id order by r.run_id for update;
  select * into v_run from ops.runs r where r.run_id = p_run_id for update;
  return v_run;
end
$$;

-- functions/core/lock_held.sql
-- Lock: the runs that an executor holds and has not reported, in run-id order, then their leases in the same order, and
-- answer which they are. A report, an expiry or another's claim that came first is seen: leases are read when the runs
-- are locked.
create or replace function ops.lock_held(p_executor_id uuid) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_runs uuid[] := array(select l.run_id from ops.leases l where l.executor_id = p_executor_id and l.reported_at is null);
begin
  perform from ops.runs r where r.run_id = any (v_runs) order by r.run_id for update;
  return array(select l.run_id from ops.leases l
                where l.run_id = any (v_runs) and l.executor_id = p_executor_id and l.reported_at is null
                order by l.run_id for update);
end
$$;

-- functions/core/lock_keys.sql
-- Lock these concurrency keys in key order; returns those locked. p_wait false: what another claim holds is left out.
-- One index probe for each (`offset 0` keeps it so), whatever number of keys there is.
create or replace function ops.lock_keys(p_keys text[], p_wait boolean) returns text[]
language plpgsql volatile set search_path = ''
as $$
begin
  if cardinality(p_keys) = 0 then
    return '{}';
  elsif p_wait then
    return array(
      select ops.key_of(k.workspace, k.key) from ops.split_keys(p_keys) s
       cross join lateral (select c.workspace, c.key from ops.concurrency_keys c
                            where c.workspace = s.workspace and c.key = s.key offset 0 for no key update) k);
  end if;
  return array(
    select ops.key_of(k.workspace, k.key) from ops.split_keys(p_keys) s
     cross join lateral (select c.workspace, c.key from ops.concurrency_keys c
                          where c.workspace = s.workspace and c.key = s.key offset 0 for no key update skip locked) k);
end
$$;

-- functions/core/lock_keys_ahead.sql
-- Lock, in key order and in one statement, the concurrency keys at the head of what these claims could have.
create or replace function ops.lock_keys_ahead(p_claims ops.member_claim[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_keys     text[] := '{}';
  v_first    ops.member_claim;
  v_executor ops.executors;
begin
  if not exists (select from ops.concurrency_keys) then
    return;
  end if;
  for v_first in select distinct on (c.filter) c.* from unnest(p_claims) c where c.repeated is null
                  order by c.filter
  loop
    select * into v_executor from ops.executors e where e.executor_id = v_first.executor_id;
    v_keys := v_keys || ops.keys_ahead(v_executor, v_first.queues, '{}', '{}');
  end loop;
  perform ops.lock_keys(v_keys, true);
end
$$;

-- functions/core/lock_planned_keys.sql
-- Lock, in key order, the concurrency keys [{workspace, key, limit}] of several new runs before the first is made, so
-- that two submits that bring the same keys in another order take turns. Keys that are not there are made; a limit that
-- changes is left to ops.declare_key, which then waits for nobody. p_keep: as there.
create or replace function ops.lock_planned_keys(p_keys jsonb, p_keep boolean) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_key record;
begin
  for v_key in
    select k ->> 'workspace' as workspace, k ->> 'key' as key, array_agg((k ->> 'limit')::int) as limits
      from jsonb_array_elements(p_keys) k where k ->> 'key' is not null group by 1, 2 order by 1, 2
  loop
    perform from ops.concurrency_keys k
      where k.workspace = v_key.workspace and k.key = v_key.key and (p_keep or k."limit" = all (v_key.limits))
      for key share;
    continue when found;
    insert into ops.concurrency_keys as k (workspace, key, "limit", updated_at)
    values (v_key.workspace, v_key.key, v_key.limits[1], ops.now())
    on conflict (workspace, key) do update set "limit" = k."limit" where false;  -- locked all the same
  end loop;
end
$$;

-- functions/core/lock_request_keys.sql
-- Lock a workspace's idempotency keys for the transaction: alone, or beside others that are not alone.
create or replace function ops.lock_request_keys(p_workspace text, p_alone boolean) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if p_alone then
    perform pg_advisory_xact_lock(hashtextextended('ops.keys:' || p_workspace, 0));
  else
    perform pg_advisory_xact_lock_shared(hashtextextended('ops.keys:' || p_workspace, 0));
  end if;
end
$$;

-- functions/core/lock_tries.sql
-- Those who retry the same work take turns: an advisory lock for each first try, in one order. Taken before runs.
create or replace function ops.lock_tries(p_run_ids uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock(l.lock) from (
    select distinct hashtextextended('ops.tries:' || ops.first_try(r), 0) as lock from unnest(p_run_ids) r
     order by 1) l;
end
$$;

-- functions/core/lost_reason.sql
-- Why (run, epoch) holds no lease: terminal (its own report was accepted), cancelled (revoked by a forced cancel),
-- expired (revoked by the sweeper, and nobody holds the run now), superseded (somebody else holds or held it, or the
-- epoch was never given out).
create or replace function ops.lost_reason(p_run ops.runs, p_epoch bigint) returns text
language plpgsql stable set search_path = ''
as $$
declare
  v_attempt ops.attempts;
begin
  select * into v_attempt from ops.attempts a where a.run_id = (p_run).run_id and a.epoch = p_epoch;
  return case
    when v_attempt.reported_at is not null then 'terminal'
    when v_attempt.outcome = 'cancelled' then 'cancelled'
    when v_attempt.outcome = 'expired' and (p_run).epoch = p_epoch + 1 then 'expired'
    else 'superseded'
  end;
end
$$;

-- functions/core/member_value.sql
-- The answer of a batch's only member as a single verb gives it: its value, or its refusal raised.
create or replace function ops.member_value(p_answer ops.member_answer) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_detail jsonb := (p_answer).detail::jsonb;
begin
  if (p_answer).code is not null then
    perform ops.fail((p_answer).code, v_detail ->> 'message', v_detail -> 'members', v_detail ->> 'hint');
  end if;
  return v_detail;
end
$$;

-- functions/core/metrics_of.sql
-- The metrics that a heartbeat or a report brings of a run, name to number; null when it brings none, or what is none.
-- 50 names of 63 characters, as the contract has them, are below the bound, however they are written.
create or replace function ops.metrics_of(p_body jsonb) returns jsonb
language sql immutable parallel safe
return case when jsonb_typeof(p_body -> 'metrics') = 'object' and length(p_body ->> 'metrics') <= 40000
            then p_body -> 'metrics' end;

-- functions/core/missing_input_error.sql
-- The error of a run whose parent succeeded without leaving what this run reads. p_missing as of
-- ops.resolve_inputs.
create or replace function ops.missing_input_error(p_missing jsonb) returns jsonb
language sql stable parallel safe
return (
  select jsonb_build_object('class', 'user', 'code', 'input_missing', 'message',
           string_agg(format('input %s: %s published no output %s; it left %s', m ->> 'name',
                             coalesce('task ' || (m ->> 'task_key'), 'run ' || (m ->> 'number')), m ->> 'output',
                             m ->> 'left'), '; '))
    from jsonb_array_elements(p_missing) m);

-- functions/core/move_floor.sql
-- Mutate: advance the claim floor of (queue, kind, priority), and say where it stands now. Only one claim at a time
-- does it; others go on with the floor they have.
--
-- Safe because (1) every enqueuer has a transaction id before it draws its ready_seq, (2) a candidate is adopted only
-- when all transactions that were open at its computation had ended before this search began, and (3) is then lowered
-- to the least ready_seq that is visible. Every claim_floor_rescan_seconds the search starts from the very beginning
-- all the same.
create or replace function ops.move_floor(p_queue text, p_kind text, p_priority int) returns bigint
language plpgsql volatile set search_path = ''
as $$
declare
  v_floor  ops.queue_floors;
  v_now    timestamptz := ops.now();
  v_last   bigint;
  v_least  bigint;
  v_rescan boolean;
  v_ended  xid8;
begin
  select * into v_floor from ops.queue_floors f
   where f.queue = p_queue and f.kind = p_kind and f.priority = p_priority for update skip locked;
  if v_floor.queue is null then
    return 9223372036854775807;  -- somebody else is at it
  end if;
  -- before the search: a submit that ends between the two is then still open to the one and not missed by the other
  v_ended := pg_snapshot_xmin(pg_current_snapshot());
  select s.last_value into v_last from ops.ready_seq s;
  v_rescan := v_floor.rescanned_at <= v_now - ops.seconds(ops.setting_number('claim_floor_rescan_seconds'));
  select min(r.ready_seq) into v_least from ops.runs r
   where r.state = 'queued' and not r.paused and r.queue = p_queue and r.kind = p_kind and r.priority = p_priority
     and r.ready_seq >= case when v_rescan then 0 else v_floor.floor_seq end;
  v_least := coalesce(v_least, v_last + 1);

  if v_least < v_floor.floor_seq then
    v_floor.floor_seq := v_least;
  elsif v_ended >= v_floor.candidate_xmax then
    v_floor.floor_seq := least(v_floor.candidate_seq, v_least);
  end if;
  update ops.queue_floors f set
    floor_seq = v_floor.floor_seq, moved_at = v_now,
    rescanned_at = case when v_rescan then v_now else f.rescanned_at end,
    empty_since = case when v_least > v_last then f.empty_since end, candidate_seq = v_least, candidate_xmax = pg_snapshot_xmax(pg_current_snapshot())
   where f.queue = p_queue and f.kind = p_kind and f.priority = p_priority;
  return v_floor.floor_seq;
end
$$;

-- functions/core/named_parents.sql
-- The runs that a submit depends on, as ops.create_run takes them: [{depends_on, inputs}] in the order of run ids.
-- Each is a run of the same workspace, named once; each input is one of the template's and comes from one run. Whether
-- the parents have ended is looked at later, under their locks. Raises OPV05.
create or replace function ops.named_parents(
  p_token ops.tokens, p_workspace text, p_template ops.templates, p_body jsonb)
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_one     record;
  v_parent  ops.runs;
  v_runs    uuid[] := '{}';
  v_inputs  jsonb  := '{}';
  v_parents jsonb  := '[]';
begin
  for v_one in
    select format('/depends_on/%s', d.n - 1) as path, d.value ->> 'run' as ref,
           coalesce(nullif(d.value -> 'inputs', 'null'), '{}') as inputs
      from jsonb_array_elements(nullif(p_body -> 'depends_on', 'null')) with ordinality d (value, n) order by d.n
  loop
    v_parent := ops.find_parent(p_token, v_one.ref);
    if v_parent.run_id is null then
      perform ops.dependency_invalid(v_one.path || '/run', format('there is no run %s', left(v_one.ref, 80)),
                                     'Give a run_id or a number, as `runs ls` shows them.');
    elsif v_parent.workspace <> p_workspace then
      perform ops.dependency_invalid(v_one.path || '/run', format('run %s is of workspace %s, this one of %s',
        v_parent.number, v_parent.workspace, p_workspace), 'A run waits for runs of its own workspace.');
    elsif v_parent.run_id = any (v_runs) then
      perform ops.dependency_invalid(v_one.path || '/run', format('run %s is named twice', v_parent.number),
                                     'Name a run once, with all the inputs that come from it.');
    end if;
    perform ops.check_parent_inputs(v_one.path || '/inputs', v_one.inputs, v_inputs, v_parent, p_template);
    v_runs := v_runs || v_parent.run_id;
    v_inputs := v_inputs || v_one.inputs;
    v_parents := v_parents || jsonb_build_object('depends_on', v_parent.run_id, 'inputs', v_one.inputs);
  end loop;
  return (select coalesce(jsonb_agg(p order by p ->> 'depends_on'), '[]') from jsonb_array_elements(v_parents) p);
end
$$;

-- functions/core/next_due.sql
-- Seconds until the first waiting run's time comes, 0 when it has come; null when none waits for its time.
create or replace function ops.next_due() returns double precision
language sql stable set search_path = ''
as $$
  select case when min(r.not_before) is not null then greatest(extract(epoch from min(r.not_before) - ops.now()), 0) end
    from ops.runs r
   where r.state = 'waiting' and r.not_before is not null
     and r.state_reason in ('not_before', 'retry_backoff') and not r.paused
$$;

-- functions/core/no_publication.sql
-- Refuse a commit that no accepted report asked for: OPN01 (no such run), OPC01 (a stale epoch), OPN05.
create or replace function ops.no_publication(p_run_id uuid, p_epoch bigint, p_output text) returns void
language plpgsql stable set search_path = ''
as $$
begin
  if not exists (select from ops.attempts a where a.run_id = p_run_id and a.epoch = p_epoch
      and a.reported_at is not null)
     and not exists (select from ops.leases l where l.run_id = p_run_id and l.epoch = p_epoch) then
    perform ops.lease_lost(p_run_id, p_epoch);
  end if;
  perform ops.fail('OPN05', format('no accepted report of epoch %s names output %s', p_epoch, left(p_output, 80)), '{}',
                   'Report the attempt first; its answer lists the publications.');
end
$$;

-- functions/core/note_cap.sql
-- Mutate and emit: one row of the ledger of caps, and the event that tells it: cap.warned when the run goes on
-- untouched, else cap.enforced. p_entry {layer, cap, limit, observed, overshoot?, overshoot_ms?, action?}.
create or replace function ops.note_cap(p_run_id uuid, p_epoch bigint, p_actor text, p_entry jsonb) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_action text := coalesce(p_entry ->> 'action', 'stop');
begin
  insert into ops.cap_ledger (run_id, epoch, layer, cap, "limit", observed, overshoot, overshoot_ms, action, at)
  values (p_run_id, p_epoch, p_entry ->> 'layer', p_entry ->> 'cap', (p_entry ->> 'limit')::numeric,
          (p_entry ->> 'observed')::numeric,
          coalesce((p_entry ->> 'overshoot')::numeric,
              (p_entry ->> 'observed')::numeric - (p_entry ->> 'limit')::numeric),
          (p_entry ->> 'overshoot_ms')::numeric, v_action, ops.now());
  perform ops.emit(p_run_id, case v_action when 'warned' then 'cap.warned' else 'cap.enforced' end, p_epoch, p_actor,
                   p_entry);
end
$$;

-- functions/core/note_cost.sql
-- Mutate and emit: an attempt costs more than a limit allows; in the ledger and the events once for each action. The
-- caller holds the run.
create or replace function ops.note_cost(p_run_id uuid, p_epoch bigint, p_limit numeric, p_cost numeric, p_action text)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if exists (select from ops.cap_ledger e where e.run_id = p_run_id and e.epoch = p_epoch and e.cap = 'cost'
                and (e.action = p_action or e.action <> 'warned')) then
    return;
  end if;
  perform ops.note_cap(p_run_id, p_epoch, 'reactor', jsonb_build_object(
    'layer', 'control_room', 'cap', 'cost', 'limit', p_limit, 'observed', p_cost, 'action', p_action));
end
$$;

-- functions/core/note_ended_leases.sql
-- Trigger: leases that ended with something reserved are settled before this transaction commits.
create or replace function ops.note_ended_leases() returns trigger
language plpgsql set search_path = ''
as $$
begin
  if exists (select from gone g where g.reserved is not null) then
    insert into ops.budget_dues (xid, leases)
    select pg_current_xact_id(), array_agg(row(g.run_id, g.epoch, g.usage, g.reserved)::ops.ended_lease) from gone g where g.reserved is not null;
  end if;
  return null;
end
$$;

-- functions/core/notify_gathered.sql
-- Emit: what became claimable since ops.gather_ready(true), in one notification, or kept for who asked for it
-- (ops.keep_ready). A verb's last act but its answer.
create or replace function ops.notify_gathered() returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_told text := ops.gathered_ready();
begin
  if v_told is not null and current_setting('ops.keep', true) = 'on' then
    perform set_config('ops.kept', concat_ws(',', nullif(current_setting('ops.kept', true), ''), v_told), true);
  elsif v_told is not null then
    perform pg_notify('ops_ready', v_told);
  end if;
end
$$;

-- functions/core/notify_ready.sql
-- Emit: so many runs of these kinds became claimable; p_kinds names the kind of each. The payload is "kind:count,…".
-- Null: nobody counted, and every claim that waits looks; the payload is empty. Verbs gather what their parts tell
-- (ops.gather_ready) and notify once: Postgres gives a payload that one transaction notifies twice only once.
create or replace function ops.notify_ready(p_kinds text[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_told   text;
  v_before text := nullif(current_setting('ops.gathered', true), '');
begin
  if cardinality(p_kinds) = 0 then
    return;
  end if;
  v_told := (select string_agg(k.kind || ':' || k.runs, ',' order by k.kind)
               from (select kind, count(*) as runs from unnest(p_kinds) kind group by kind) k);
  if p_kinds is not null and current_setting('ops.gather', true) = 'on' then
    perform set_config('ops.gathered', concat_ws(',', v_before, v_told), true);
  else
    perform pg_notify('ops_ready', coalesce(v_told, ''));
  end if;
end
$$;

-- functions/core/now.sql
-- The clock of every function. A test replaces this function to move time.
-- Statement time, not transaction time: a caller that sends many statements in one transaction sees time pass.
create or replace function ops.now() returns timestamptz
language sql stable parallel safe
return statement_timestamp();

-- functions/core/offer.sql
-- What an executor offers, as runs.requires asks for it: {"capabilities": {..}, "labels": {..}}.
create or replace function ops.offer(p_executor ops.executors) returns jsonb
language sql stable parallel safe
return jsonb_build_object('capabilities', p_executor.capabilities, 'labels', p_executor.labels);

-- functions/core/open_keys.sql
-- Those of the keys that have a free slot; see ops.free_slots.
create or replace function ops.open_keys(p_keys text[], p_picked uuid[]) returns text[]
language plpgsql volatile set search_path = ''
as $$
begin
  if cardinality(p_keys) = 0 then
    return '{}';
  end if;
  return array(select s.key from ops.free_slots(p_keys, p_picked) s where s.free > 0);
end
$$;

-- functions/core/opens_executor.sql
-- Whether who may see these workspaces (null: all) may steer an executor: all that it works in must be among them.
create or replace function ops.opens_executor(p_workspaces text[], p_executor ops.executors) returns boolean
language sql immutable parallel safe
return p_workspaces is null or coalesce((p_executor).workspaces <@ p_workspaces, false);

-- functions/core/order_grace.sql
-- How many seconds an executor has to stop a run whose cost passed its cap: none to kill it, what the cap says, or null
-- for what a cancellation gives.
create or replace function ops.order_grace(p_action text, p_rules jsonb) returns numeric
language sql immutable parallel safe
return case p_action when 'killed' then 0 else (p_rules #>> '{cost,grace_seconds}')::numeric end;

-- functions/core/output_address.sql
-- Where an output lies: a Delta table or an object below the workspace's root in the lakehouse, an Iceberg table below
-- the setting iceberg_root, in a namespace of the workspace. The path is a good one (ops.output_wrong).
create or replace function ops.output_address(p_workspace text, p_format text, p_path text) returns text
language sql stable set search_path = ''
as $$
  select case when p_format = 'iceberg'
    then rtrim(ops.setting('iceberg_root') #>> '{}', '/') || '/'
         || ops.workspace_namespace(p_workspace, split_part(p_path, '/', 1)) || '/' || split_part(p_path, '/', 2)
    else ops.workspace_root(p_workspace) || '/' || p_path end
$$;

-- functions/core/output_wrong.sql
-- What is wrong with an output, its path's parameters filled in; null when nothing is.
create or replace function ops.output_wrong(p_format text, p_mode text, p_path text) returns text
language sql immutable set search_path = ''
as $$
  select case
    when p_format not in ('delta', 'iceberg', 'object') then format('%s is no format: delta, iceberg, object', p_format)
    when p_mode not in ('overwrite', case p_format when 'object' then 'create' else 'append' end)
      then format('mode %s is none of format %s', p_mode, p_format)
    when p_format = 'iceberg' and not ops.is_iceberg_path(p_path)
      then format('%s is not namespace/table, each a small letter, then small letters, digits and _, at most 63; '
                  'a namespace that begins with ws_ is reserved', coalesce(p_path, 'null'))
    when p_format <> 'iceberg' and not ops.is_output_path(p_path)
      then format('%s is not a path of plain names below the workspace''s root; _ws is reserved',
                  coalesce(p_path, 'null')) end
$$;

-- functions/core/outputs_beside.sql
-- The outputs of a run that does another again: of the same names, formats and modes, at places of its own, so that it
-- takes nothing from what is read. p_outputs: as ops.planned_outputs gives them.
create or replace function ops.outputs_beside(p_workspace text, p_outputs jsonb, p_run_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(o.value || jsonb_build_object('uri', ops.output_address(p_workspace, o.value ->> 'format',
      case o.value ->> 'format'
        when 'iceberg' then format('reproductions/r%s_%s', replace(p_run_id::text, '-', ''),
          left(regexp_replace(lower(o.value ->> 'name'), '[^a-z0-9_]', '_', 'g'), 29))
        else format('_reproductions/%s/%s', p_run_id, o.value ->> 'name') end)) order by o.n), '[]')
    from jsonb_array_elements(p_outputs) with ordinality o (value, n)
$$;

-- functions/core/own_executor.sql
-- Guard: the executor, when the caller's token registered it. Raises OPU01, OPU02, OPN03, OPC09 (it has left).
create or replace function ops.own_executor(p_token_id uuid, p_executor_id uuid) returns ops.executors
language plpgsql stable set search_path = ''
as $$
declare
  v_token    ops.tokens := ops.require(p_token_id, array['executor']);
  v_executor ops.executors;
begin
  select * into v_executor from ops.executors e where e.executor_id = p_executor_id;
  if v_executor.executor_id is null then
    perform ops.fail('OPN03', format('there is no executor %s', p_executor_id), '{}', 'Register first.');
  end if;
  if v_executor.token_id <> v_token.token_id then
    perform ops.fail('OPU02', format('executor %s was registered with another token', p_executor_id));
  end if;
  if v_executor.state = 'left' then
    perform ops.fail('OPC09', format('executor %s has left', p_executor_id),
                     jsonb_build_object('left_at', ops.iso(v_executor.left_at)), 'Register again.');
  end if;
  return v_executor;
end
$$;

-- functions/core/own_retry.sql
-- A template's spec with the retry policy of one run: what its submit said replaces the template's, field by field.
create or replace function ops.own_retry(p_spec jsonb, p_retry jsonb) returns jsonb
language sql immutable parallel safe
return p_spec || jsonb_build_object('retry',
                                    coalesce(nullif(p_spec -> 'retry', 'null'), '{}') || coalesce(p_retry, '{}'));

-- functions/core/params_invalid.sql
-- Refuse parameters: OPV02 with one entry in `errors`.
create or replace function ops.params_invalid(p_path text, p_message text) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  perform ops.fail('OPV02', format('%s: %s', p_path, p_message),
    jsonb_build_object('errors', jsonb_build_array(jsonb_build_object('path', p_path, 'message', p_message))),
    'See the template''s params_schema.');
end
$$;

-- functions/core/parents_of_submits.sql
-- The runs that the submits of a batch name as their parents and may see. A member that is refused has none here and is
-- refused again, in its turn.
create or replace function ops.parents_of_submits(p_members jsonb) returns uuid[]
language plpgsql stable set search_path = ''
as $$
declare
  v_member record;
  v_token  ops.tokens;
  v_runs   uuid[] := '{}';
begin
  for v_member in
    select (m ->> 'token_id')::uuid as token_id, m #> '{body,depends_on}' as depends_on
      from jsonb_array_elements(p_members) m where jsonb_typeof(m #> '{body,depends_on}') = 'array'
  loop
    begin
      v_token := ops.require(v_member.token_id, array['operator']);
      v_runs := v_runs || array(
        select (ops.find_parent(v_token, d ->> 'run')).run_id
          from jsonb_array_elements(v_member.depends_on) d where jsonb_typeof(d) = 'object');
    exception when others then
      perform ops.refusal(sqlstate, sqlerrm, null, null);  -- raises again what is no refusal
    end;
  end loop;
  return array_remove(v_runs, null);
end
$$;

-- functions/core/pass_gate.sql
-- Lock: a claim passes the gate, before it locks or reads anything else, and stands in it until its transaction ends.
-- Whoever pauses a queue or an executor closes the gate (ops.close_gate) and so waits for the claims under way; those
-- that come later wait for the pause and then see it. Claims never wait for each other here.
create or replace function ops.pass_gate() returns void
language sql volatile
return pg_advisory_xact_lock_shared(hashtextextended('ops.claims', 0));

-- functions/core/pass_over.sql
-- What a sweep does about a member that raised: it is logged, and the sweep goes on without it. What is not the
-- member's (a lock, a deadlock, a resource, a shutdown) is raised again.
create or replace function ops.pass_over(p_code text, p_message text, p_what text) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if p_code ~ '^(40|53|55|57|58)' then
    raise exception using errcode = p_code, message = p_message;
  end if;
  raise warning using errcode = p_code, message = format('action=swept_past %s: %s', p_what, p_message);
end
$$;

-- functions/core/pause_executor.sql
-- Pause an executor: it gets no new runs, finishes those it has and goes on beating.
-- Repeating it is no error.  p_body {reason?}
-- Returns the Executor. Raises OPU01, OPU02, OPN03, OPC05, OPC09, OPV01; see ops.steer_executor.
create or replace function ops.pause_executor(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
begin
  return ops.steer_executor(p_token_id, p_ref, 'paused', p_body);
end
$$;

-- functions/core/pause_queue.sql
-- Pause a queue: when this has answered, no run of it starts until it is resumed; what runs goes on. Concerns all
-- workspaces. Pausing a paused queue again is no error: who paused it first stays.
--   p_body {reason?}
-- Returns the Queue. Raises OPU01, OPU02 (the token opens some workspaces only), OPV01.
create or replace function ops.pause_queue(p_token_id uuid, p_queue text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token  ops.tokens := ops.require_everywhere(p_token_id);
  v_reason text       := ops.checked_reason(p_body);
begin
  if length(p_queue) not between 1 and 63 then
    perform ops.invalid('/queue', 'must have 1 to 63 characters');
  end if;
  perform ops.close_gate();
  insert into ops.queue_pauses (queue, paused_at, paused_by, paused_reason)
  values (p_queue, ops.now(), v_token.name, v_reason) on conflict (queue) do nothing;
  return ops.queue_json(p_queue, v_token.workspaces);
end
$$;

-- functions/core/pause_run.sql
-- Pause a run: it is claimed no more until it is resumed. A queued one leaves the ready index, a waiting one goes on
-- waiting, one that runs finishes its attempt and gets no other. A pipeline with all its tasks. Deadlines still count.
-- Pausing a paused run again is no error and tells nothing new.
--   p_body {reason?}
-- Returns the Run. Raises OPU01, OPU02, OPN01, OPC05 with {state} (it has ended, or is publishing), OPV01.
create or replace function ops.pause_run(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token  ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id uuid       := ops.resolve_run(p_token_id, p_ref);
  v_reason text       := ops.checked_reason(p_body);
begin
  perform ops.check_steerable(ops.lock_family(v_run_id));

  perform ops.set_paused(array(select r.run_id from ops.runs r where r.run_id = v_run_id or r.pipeline_run_id = v_run_id),
                         true, v_reason, 'operator:' || v_token.name);
  return ops.run_json(v_run_id);
end
$$;

-- functions/core/paused_text.sql
-- What was done by whom, when and why, as words.
create or replace function ops.paused_text(p_what text, p_by text, p_at text, p_reason text) returns text
language sql immutable parallel safe
return concat(p_what, ' by ' || p_by, ' at ' || p_at, ': ' || p_reason);

-- functions/core/pending_publications.sql
-- For the reactor: publications of accepted reports that are not committed and whose executor has fallen silent (its
-- lease is past the deadline). Returns a list with all that a commit needs, oldest first. Locks nothing: committing is
-- idempotent by its marker. p_skip [[run_id, output]]: those that the caller knows and does not want.
create or replace function ops.pending_publications(p_limit int, p_skip jsonb default '[]') returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(to_jsonb(d) order by d.recorded_at, d.run_id, d.output), '[]') from (
      select p.run_id, r.number, r.workspace, r.template_name, p.epoch, p.output, p.format, p.mode, p.uri, p.files,
             p.schema, p.rows, p.partition_by, p.app_id, p.app_version, ops.iso(p.recorded_at) as recorded_at,
             coalesce(t.spec -> 'connections', '[]') as connections
        from ops.publications p
        join ops.leases l on l.run_id = p.run_id and l.epoch = p.epoch
        join ops.runs r on r.run_id = p.run_id
        join ops.templates t on t.template_id = r.template_id
       where p.state = 'recorded' and l.reported_at is not null and l.lease_deadline < ops.now()
         and (p.run_id::text, p.output) not in (select s ->> 0, s ->> 1 from jsonb_array_elements(p_skip) s)
       order by p.recorded_at, p.run_id, p.output limit p_limit) d);
end
$$;

-- functions/core/period_end.sql
-- When the period of a budget ends that began at p_start; null: never. A day of 23 or 25 hours is one day.
create or replace function ops.period_end(p_period text, p_timezone text, p_start timestamptz) returns timestamptz
language sql stable parallel safe
return case p_period when 'total' then null
                     when 'hour' then p_start + interval '1 hour'
                     else ((p_start at time zone p_timezone) + ('1 ' || p_period)::interval)
                          at time zone p_timezone end;

-- functions/core/period_start.sql
-- When the period of a budget began that a time lies in: hours, days and months as they are told in its timezone.
create or replace function ops.period_start(p_period text, p_timezone text, p_at timestamptz) returns timestamptz
language sql stable parallel safe
return case p_period when 'total' then timestamptz '-infinity'
                     else date_trunc(p_period, p_at, p_timezone) end;

-- functions/core/pick_from.sql
-- Lock the first ready runs of one queue and priority that an executor could have. See ops.pick_ready.
create or replace function ops.pick_from(
  p_executor ops.executors, p_offer jsonb, p_floor ops.queue_floors, p_open text[], p_limit int, p_but uuid[])
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_now  timestamptz := ops.now();
  v_from bigint := p_floor.floor_seq;
begin
  if p_floor.moved_at <= v_now - ops.seconds(ops.setting_number('claim_floor_seconds')) then
    v_from := least(v_from, ops.move_floor(p_floor.queue, p_floor.kind, p_floor.priority));
  end if;
  return array(
    select r.run_id from ops.runs r
     where r.state = 'queued' and not r.paused and r.queue = p_floor.queue and r.kind = p_floor.kind
       and r.priority = p_floor.priority and r.ready_seq >= v_from
       and (p_executor.workspaces is null or r.workspace = any (p_executor.workspaces))
       and (r.requires is null or p_offer @> r.requires) and (r.deadline is null or r.deadline > v_now)
       and (r.concurrency_key is null or ops.key_of(r.workspace, r.concurrency_key) = any (p_open))
       and r.run_id <> all (p_but)
     order by r.ready_seq limit p_limit for update skip locked);
end
$$;

-- functions/core/pick_ready.sql
-- Lock the first ready runs that an executor could have, by priority, then ready sequence, passing over what others
-- hold. p_open: the concurrency keys that may be picked; runs without a key always may. p_but: runs picked already
-- (their locks are this transaction's own, so SKIP LOCKED would find them again). Seeks from the claim floors.
--
-- Queues of one priority share the room as their first runs stand in one line (ops.queue_shares), so that a long queue
-- holds up no other; what others hold of a share is then made up from whichever queue has more.
create or replace function ops.pick_ready(
  p_executor ops.executors, p_queues text[], p_open text[], p_limit int, p_but uuid[] default '{}')
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_rank   record;
  v_share  record;
  v_room   int;
  v_part   uuid[];
  v_offer  jsonb  := ops.offer(p_executor);
  v_picked uuid[] := '{}';
begin
  for v_rank in
    select array_agg(f order by f.floor_seq) as floors, count(*) as alike from ops.queue_floors f
     where f.kind = p_executor.kind and (p_queues is null or f.queue = any (p_queues))
       and not exists (select from ops.queue_pauses u where u.queue = f.queue)
     group by f.priority order by f.priority desc
  loop
    v_room := p_limit - cardinality(v_picked);
    if v_rank.alike = 1 then
      v_picked := v_picked || ops.pick_from(p_executor, v_offer, v_rank.floors[1], p_open, v_room, p_but);
    else
      v_part := '{}';
      for v_share in
        select s.floor, s.runs from ops.queue_shares(p_executor, v_offer, v_rank.floors, p_open, v_room, p_but) s
      loop
        v_part := v_part || ops.pick_from(p_executor, v_offer, v_share.floor, p_open, v_share.runs, p_but);
      end loop;
      for v_at in 1 .. v_rank.alike loop
        exit when cardinality(v_part) >= v_room;
        v_part := v_part || ops.pick_from(p_executor, v_offer, v_rank.floors[v_at], p_open,
                                          v_room - cardinality(v_part), p_but || v_part);
      end loop;
      v_picked := v_picked || array(
        select r.run_id from ops.runs r where r.run_id = any (v_part) order by r.ready_seq);
    end if;
    exit when cardinality(v_picked) >= p_limit;
  end loop;
  return v_picked;
end
$$;

-- functions/core/pick_runs.sql
-- Lock and return the runs that an executor may start now, best first; nothing is changed.
--
-- Concurrency keys: the rows of the keys that stand at the head of the queue are locked, in key order, by one
-- statement; a later one counts the leases that hold them and picks at most the free slots per key (in one statement
-- the snapshot would precede the lock). Runs of a full key are looked past, so that keys behind them are met in the
-- next round. Only the first round waits for a key: later ones take what is free, since waiting twice would break
-- the key order; a key passed over that way is announced again. p_but: runs that were picked before, which hold their
-- keys.
create or replace function ops.pick_runs(
  p_executor ops.executors, p_queues text[], p_limit int, p_but uuid[] default '{}')
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_picked  uuid[] := '{}';
  v_found   uuid[];
  v_known   text[] := '{}';   -- keys met so far
  v_locked  text[] := '{}';   -- of these, the ones locked here
  v_open    text[] := '{}';   -- of these, the ones with free slots
  v_new     text[];
begin
  if not exists (select from ops.concurrency_keys) then
    return ops.pick_ready(p_executor, p_queues, '{}', p_limit, p_but);
  end if;
  for v_round in 1 .. 50 loop
    v_new := ops.keys_ahead(p_executor, p_queues, v_known, v_open);
    if cardinality(v_new) > 0 then
      v_locked := v_locked || ops.lock_keys(v_new, false);
      v_known := v_known || v_new;
    else
      v_found := ops.within_slots(p_but || v_picked,
        ops.pick_ready(p_executor, p_queues, v_open, p_limit - cardinality(v_picked), p_but || v_picked));
      v_picked := v_picked || v_found;
      exit when cardinality(v_found) = 0 or cardinality(v_picked) >= p_limit;
    end if;
    v_open := ops.open_keys(v_locked, p_but || v_picked);
  end loop;
  if cardinality(v_picked) = 0 and cardinality(v_locked) < cardinality(v_known) then
    perform ops.notify_ready(array[p_executor.kind]);
  end if;
  return v_picked;
end
$$;

-- functions/core/pinned_tasks.sql
-- The template versions of a pipeline run's tasks, as {task key: template_id}: those of its own children, and of the
-- tasks that it had itself taken over from the pipeline run that it retried.
create or replace function ops.pinned_tasks(p_pipeline_run_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  with recursive line (run_id, depth) as (
    select p_pipeline_run_id, 0
    union all
    select r.retry_of, l.depth + 1 from line l join ops.runs r on r.run_id = l.run_id
     where r.retry_of is not null and l.depth < 100
  ), nearest as (
    select distinct on (c.task_key) c.task_key, c.template_id
      from line l join ops.runs c on c.pipeline_run_id = l.run_id
     order by c.task_key, l.depth)
  select jsonb_object_agg(n.task_key, n.template_id) from nearest n
$$;

-- functions/core/pipeline_error.sql
-- A failed pipeline's error, from those of its failed children [{class, code, message, task_key}], the first to fail
-- first: that one's class and message, and the names of others. Null otherwise.
create or replace function ops.pipeline_error(p_outcome text, p_children jsonb) returns jsonb
language sql stable parallel safe
return case when p_outcome = 'failed' then
  jsonb_build_object('class', p_children #> '{0,class}', 'code', 'task_failed',
    'task_key', p_children #> '{0,task_key}',
    'message', format('task %s failed: %s', p_children #>> '{0,task_key}', p_children #>> '{0,message}')
      || coalesce('; failed as well: ' || nullif(ops.first_names(array(
           select c ->> 'task_key' from jsonb_array_elements(p_children - 0) c order by 1)), ''), ''))
end;

-- functions/core/plain_answer.sql
-- What a report is answered that ended its run as a success with nothing to publish, as JSON text. Not stored: it says
-- nothing that the attempt's row does not.
create or replace function ops.plain_answer(p_run_id uuid, p_epoch bigint, p_attempt int) returns text
language sql stable parallel safe
return concat('{"run_id": "', p_run_id, '", "epoch": ', p_epoch, ', "attempt": ', p_attempt,
  ', "outcome": "succeeded", "repeated": false, "run_state": "succeeded", "route": {"decision": "finish", '
     '"reason": "succeeded", "retry_at": null}, "publications": []}');

-- functions/core/plain_claims.sql
-- Guard and lock: the claims of a batch that are plain, in two statements for all: well formed, sent by an active
-- executor with a token that lives, not on record, and not twice in the batch. ops.checked_claim judges the rest.
--   p_claims [{ordinal, token_id, executor_id, body}]
create or replace function ops.plain_claims(p_claims jsonb) returns ops.member_claim[]
language plpgsql volatile set search_path = ''
as $$
begin
  -- all of them, in one order, by a statement before the one that reads what they were answered
  perform pg_advisory_xact_lock(ops.request_lock(i.request_id))
     from (select distinct lower(c #>> '{body,request_id}') as request_id from jsonb_array_elements(p_claims) c
            where c #>> '{body,request_id}' ~ '^[0-9A-Fa-f-]{36}$' order by 1) i;
  return array(
    with sent as materialized (
      select (c ->> 'ordinal')::int as ordinal, (c ->> 'token_id')::uuid as token_id,
             (c ->> 'executor_id')::uuid as executor_id, (c #>> '{body,request_id}')::uuid as request_id,
             c -> 'body' as body, count(*) over (partition by c #>> '{body,request_id}') as times
        from jsonb_array_elements(p_claims) c where ops.is_plain_claim(c -> 'body')
    )
    select row(s.ordinal, s.executor_id, s.request_id, ops.claim_digest(s.body), (s.body ->> 'max_runs')::int,
               case when jsonb_typeof(s.body -> 'queues') = 'array'
                    then array(select jsonb_array_elements_text(s.body -> 'queues')) end, ops.claim_filter(e, s.body), null, s.ordinal)::ops.member_claim
      from sent s
      join ops.executors e on e.executor_id = s.executor_id and e.token_id = s.token_id and e.state = 'active'
      join ops.tokens t on t.token_id = s.token_id and t.role = 'executor' and ops.token_is_live(t)
     where s.times = 1
       and (select q.request_id from ops.claim_requests q
             where q.executor_id = s.executor_id and q.request_id = s.request_id limit 1) is null);
end
$$;

-- functions/core/plain_template.sql
-- What a template gives each of its runs, read once for all of them; no row when its runs are made one by one: a
-- pipeline, a concurrency key, an output whose path depends on parameters, a budget that refuses, one that reuses.
create or replace function ops.plain_template(p_workspace text, p_name text, p_version int)
returns table (
  template_id uuid, name text, version int, digest text, kind text, defaults jsonb, required text[], outputs jsonb,
  labels jsonb, caps jsonb, cap_rules jsonb, max_attempts int, lease_seconds int, requires jsonb, priority int,
  queue text)
language plpgsql stable set search_path = ''
as $$
declare
  v_template ops.templates;
  v_spec     jsonb;
begin
  select * into v_template from ops.templates t
   where t.workspace = p_workspace and t.name = p_name and (p_version is null or t.version = p_version)
   order by t.version desc limit 1;
  v_spec := v_template.spec;
  if v_spec is null or v_template.kind = 'pipeline' or v_spec ->> 'reuse' = 'same_inputs' or coalesce(v_spec -> 'concurrency', 'null') <> 'null'
     or not ops.has_fixed_outputs(v_spec -> 'outputs')
     or exists (select from ops.budgets_of(p_workspace, p_name) b where b.policy = 'refuse') then
    return;
  end if;
  return query select v_template.template_id, v_template.name, v_template.version, v_template.digest, v_template.kind,
    coalesce((select jsonb_object_agg(p.key, p.value -> 'default')
                from jsonb_each(case when jsonb_typeof(v_spec #> '{params_schema,properties}') = 'object'
                                     then v_spec #> '{params_schema,properties}' end) p
               where jsonb_typeof(p.value) = 'object' and p.value ? 'default'), '{}'),
    array(select jsonb_array_elements_text(case when jsonb_typeof(v_spec #> '{params_schema,required}') = 'array'
                                                then v_spec #> '{params_schema,required}' end)),
    ops.planned_outputs(p_workspace, v_spec, '{}'), coalesce(nullif(v_spec -> 'labels', 'null'), '{}'),
    ops.effective_caps(p_workspace, p_name, ops.cap_limits(v_spec -> 'caps')), ops.cap_rules(v_spec -> 'caps'),
    coalesce((v_spec #>> '{retry,max_attempts}')::int, 3),
    coalesce((v_spec ->> 'lease_seconds')::int, ops.setting_number('lease_seconds')::int),
    ops.planned_requires(v_spec), coalesce((v_spec ->> 'priority')::int, 0),
    coalesce(v_spec ->> 'queue', 'default');
end
$$;

-- functions/core/planned_key.sql
-- The concurrency key of a new run, or null: its submit's, else what the template's says with these parameters.
create or replace function ops.planned_key(p_spec jsonb, p_body jsonb, p_params jsonb) returns text
language sql stable set search_path = ''
as $$
  select coalesce(p_body ->> 'concurrency_key',
                  ops.substitute(p_spec #> '{concurrency,key}', p_params, '/concurrency/key') #>> '{}')
$$;

-- functions/core/planned_keys.sql
-- The concurrency keys of a new run of this template, of a pipeline those of its tasks: [{workspace, key, limit}].
-- p_templates: the template versions that tasks are pinned to. Changes and locks nothing. Raises as ops.create_run
-- does.
create or replace function ops.planned_keys(p_template ops.templates, p_body jsonb, p_templates jsonb default '{}')
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_spec   jsonb := p_template.spec;
  v_keys   jsonb := '[]';
  v_params jsonb;
  v_task   record;
begin
  if p_template.kind <> 'pipeline' and coalesce(v_spec -> 'concurrency', 'null') = 'null'
     and p_body ->> 'concurrency_key' is null then
    return '[]';
  end if;
  v_params := ops.checked_params(v_spec -> 'params_schema', p_body -> 'params');
  if p_template.kind <> 'pipeline' then
    return jsonb_build_array(jsonb_build_object('workspace', p_template.workspace,
      'key', ops.planned_key(v_spec, p_body, v_params), 'limit', ops.planned_limit(v_spec, p_body)));
  end if;
  for v_task in select t.key, t.value as task from jsonb_each(v_spec -> 'tasks') t loop
    v_keys := v_keys || ops.planned_keys(
      ops.task_template(p_template.workspace, v_task.key, v_task.task, p_templates ->> v_task.key),
      jsonb_build_object('params', ops.substitute(coalesce(nullif(v_task.task -> 'params', 'null'), '{}'), v_params,
                                                  '/tasks/' || v_task.key || '/params')));
  end loop;
  return v_keys;
end
$$;

-- functions/core/planned_limit.sql
-- The limit of a new run's concurrency key.
create or replace function ops.planned_limit(p_spec jsonb, p_body jsonb) returns int
language sql immutable parallel safe
return coalesce((p_body ->> 'concurrency_limit')::int, (p_spec #>> '{concurrency,limit}')::int, 1);

-- functions/core/planned_outputs.sql
-- The outputs of a run, fixed at submit: [{name, format, mode, uri}], uri by ops.output_address. A parameter may be
-- part of the path but cannot lead out of the workspace's place, nor to where another output of the run lies, whatever
-- its format: each would take the other's data for its own. Raises OPV02.
create or replace function ops.planned_outputs(p_workspace text, p_spec jsonb, p_params jsonb) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_outputs jsonb := '[]';
  v_output  jsonb;
  v_format  text;
  v_path    text;
  v_wrong   text;
  v_uri     text;
  v_other   text;
begin
  for v_output in select o from jsonb_array_elements(coalesce(p_spec -> 'outputs', '[]')) o loop
    v_format := coalesce(v_output ->> 'format', 'delta');
    v_path := ops.substitute(v_output -> 'path', p_params, '/outputs/' || (v_output ->> 'name')) #>> '{}';
    v_wrong := ops.output_wrong(v_format, coalesce(v_output ->> 'mode', 'overwrite'), v_path);
    if v_wrong is not null then
      perform ops.params_invalid('/outputs/' || (v_output ->> 'name'), v_wrong);
    end if;
    v_uri := ops.output_address(p_workspace, v_format, v_path);
    select o ->> 'name' into v_other from jsonb_array_elements(v_outputs) o where o ->> 'uri' = v_uri;
    if found then
      perform ops.params_invalid('/outputs/' || (v_output ->> 'name'),
        format('lies at %s, where output %s lies; give each output a path of its own', v_uri, v_other));
    end if;
    v_outputs := v_outputs || jsonb_build_object('name', v_output -> 'name', 'format', v_format,
      'mode', coalesce(v_output ->> 'mode', 'overwrite'), 'uri', v_uri);
  end loop;
  return v_outputs;
end
$$;

-- functions/core/planned_requires.sql
-- What a run requires of its executor, fixed at submit: what its template asks for, and the capability `publish` for
-- what goes beyond Delta tables, which every executor knows: formats of its outputs, and objects as its inputs.
create or replace function ops.planned_requires(p_spec jsonb) returns jsonb
language sql immutable set search_path = ''
as $$
  select case when f.formats is null then nullif(p_spec -> 'requires', 'null')
    else coalesce(nullif(p_spec -> 'requires', 'null'), '{}') || jsonb_build_object('capabilities',
           a.asked || jsonb_build_object('publish', coalesce(a.asked -> 'publish', '[]') || f.formats)) end
    from (select coalesce(nullif(p_spec #> '{requires,capabilities}', 'null'), '{}') as asked) a
   cross join (
     select jsonb_agg(x.format order by x.format) as formats from (
       select o ->> 'format' as format from jsonb_array_elements(coalesce(nullif(p_spec -> 'outputs', 'null'), '[]')) o
        where o ->> 'format' <> 'delta'
       union select 'object' from jsonb_array_elements(coalesce(nullif(p_spec -> 'inputs', 'null'), '[]')) i
        where i ->> 'kind' = 'object') x) f
$$;

-- functions/core/promote_due.sql
-- The reactor's look at waiting runs: those whose time has come become ready, and those
-- that a budget held which has room now; those whose deadline has passed end;
-- those that were not started in time end (cap queue_seconds);
-- those that wait for parents are looked at again (a backstop: the verbs unblock them at once).
-- Returns {promoted, deadlines, unstarted, unblocked: bool}.
create or replace function ops.promote_due(p_limit int) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_promoted  int;
  v_late      int;
  v_unstarted int;
  v_unblocked boolean;
begin
  perform ops.gather_ready(true);
  v_unstarted := ops.end_unstarted_runs(p_limit, 'reactor');
  v_promoted := ops.promote_ready(p_limit, 'reactor') + ops.promote_held(p_limit, 'reactor');
  v_late := ops.end_late_runs(p_limit, 'reactor');
  v_unblocked := ops.recheck_blocked(p_limit, 'reactor');
  perform ops.notify_gathered();
  return jsonb_build_object('promoted', v_promoted, 'deadlines', v_late, 'unstarted', v_unstarted,
                            'unblocked', v_unblocked);
end
$$;

-- functions/core/promote_held.sql
-- Mutate and emit: runs that a budget held enter the ready index again where there is room now, template by template,
-- those of the oldest run first; at most p_limit. The claim looks again. Where a budget refuses, such a run fails.
-- Returns how many went on.
create or replace function ops.promote_held(p_limit int, p_actor text) returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_group record;
  v_room  bigint;
  v_taken jsonb := '{}';
  v_ready uuid[];
  v_count int := 0;
  v_refused uuid[] := '{}';
begin
  for v_group in
    select h.workspace, h.template_name, h.template_id, h.caps, count(*) as runs, min(h.run_id::text) as first,
           ops.budget_lines(h.workspace, h.template_name, t.spec -> 'estimate', h.caps) as lines
      from ops.runs h join ops.templates t on t.template_id = h.template_id
     where h.state = 'waiting' and h.state_reason = 'budget_exhausted' and not h.paused
     group by h.workspace, h.template_name, h.template_id, h.caps, t.spec
     order by first
  loop
    exit when v_count >= p_limit;
    -- how many of this template fit beside what was let go before; a budget that was overrun has no room, as at the
    -- claim, for those that are expected to use nothing neither
    select least(v_group.runs, p_limit - v_count, min(case when x.room < 0 then 0 when x.reserved = 0 then v_group.runs
                                                           else floor(x.room / x.reserved) end))
      into v_room
      from (select l.reserved, g."limit" - coalesce(b.used, 0) - coalesce(b.reserved, 0)
                               - coalesce((v_taken ->> l.budget_id::text)::numeric, 0) as room
              from unnest(v_group.lines) l join ops.budgets g on g.budget_id = l.budget_id
              left join ops.budget_balances b on (b.budget_id, b.period_start) = (l.budget_id, l.period_start)) x;
    v_room := greatest(0, coalesce(v_room, v_group.runs));
    if v_room = 0 then
      v_refused := v_refused || case when ops.full_budgets(v_group.lines) @> '[{"policy": "refuse"}]' then array(
        select r.run_id from ops.runs r
         where r.state = 'waiting' and r.state_reason = 'budget_exhausted' and not r.paused
           and r.workspace = v_group.workspace and r.template_id = v_group.template_id and r.caps = v_group.caps
         order by r.run_id limit p_limit for update skip locked) else '{}' end;
      continue;
    end if;
    v_ready := array(
      select r.run_id from ops.runs r
       where r.state = 'waiting' and r.state_reason = 'budget_exhausted' and not r.paused
         and r.workspace = v_group.workspace and r.template_id = v_group.template_id and r.caps = v_group.caps
       order by r.priority desc, r.run_id limit v_room for update skip locked);
    v_taken := v_taken || coalesce((
      select jsonb_object_agg(l.budget_id, coalesce((v_taken ->> l.budget_id::text)::numeric, 0)
                                           + l.reserved * cardinality(v_ready)) from unnest(v_group.lines) l), '{}');
    perform ops.enqueue(v_ready, p_actor);
    v_count := v_count + cardinality(v_ready);
  end loop;
  perform ops.sweep_each(array_fill('fail_held_one'::text, array[cardinality(v_refused)]), v_refused, p_actor);
  return v_count;
end
$$;

-- functions/core/promote_ready.sql
-- Mutate and emit: runs whose time has come enter the ready index, at most p_limit, in the order of their times, or
-- end with what was done already for the same inputs (ops.reuse_each).
-- Returns how many. Rows that another transaction holds are left to the next call; one that raises is passed
-- over.
create or replace function ops.promote_ready(p_limit int, p_actor text) returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := ops.now();
  v_due uuid[];
  v_reused uuid[];
begin
  v_due := array(select r.run_id from ops.runs r
                  where r.state = 'waiting' and r.not_before is not null and r.not_before <= v_now
                    and r.state_reason in ('not_before', 'retry_backoff') and not r.paused
                  order by r.not_before limit p_limit for update skip locked);
  if cardinality(v_due) = 0 then
    return 0;
  end if;
  begin
    v_reused := ops.reuse_each(v_due, p_actor);
    perform ops.enqueue(array(select x.run_id from unnest(v_due) with ordinality x (run_id, n)
                               where x.run_id <> all (v_reused) order by x.n), p_actor);
    perform ops.settle(v_reused, p_actor);
    return cardinality(v_due);
  exception when others then
    perform ops.pass_over(sqlstate, sqlerrm, 'a promotion; each run is tried alone');
  end;
  return jsonb_array_length(ops.steps_guarded(array_fill('enqueue_one'::text, array[cardinality(v_due)]), v_due, p_actor,
                                              false));
end
$$;

-- functions/core/publish.sql
-- Publish: one output of an accepted report has been committed to its table, or cannot be. p_token_id null: the
-- reactor, which commits for an executor that died.
--   p_body {epoch, state: committed, table_version, rows, location?} or {epoch, state: failed, error}
-- Idempotent: the same again gets the same answer, also where a commit was told and refused (ops.foreign_location), as
-- the reactor and a slow executor both come with it. When the last one is committed the run has succeeded; one that
-- fails fails the run. Returns {run_id, output, state, table_version, run_state}.
-- Raises OPU01, OPU02, OPN01, OPN05, OPV01, OPC01 (stale epoch), OPC07 (something else is on record).
create or replace function ops.publish(p_token_id uuid, p_run_id uuid, p_output text, p_body jsonb) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_epoch bigint := ops.body_epoch(p_body);
  v_found ops.publications;
  v_actor text   := 'reactor';
  v_error jsonb;
begin
  perform ops.check_publish(p_body);
  if p_token_id is not null then
    v_actor := 'executor:' || (ops.require(p_token_id, array['executor'])).name;
  end if;
  perform from ops.runs r where r.run_id = p_run_id for update;
  if p_token_id is not null then
    perform ops.check_attempt_owner(ops.require(p_token_id, array['executor']), p_run_id, v_epoch);
  end if;
  select * into v_found from ops.publications p
   where p.run_id = p_run_id and p.epoch = v_epoch and p.output = p_output;

  perform ops.gather_ready(true);
  if v_found.run_id is null then
    perform ops.no_publication(p_run_id, v_epoch, p_output);
  elsif v_found.state = 'recorded' and p_body ->> 'state' = 'committed' then
    perform ops.check_location(v_found, p_body ->> 'location');
    v_error := ops.foreign_location(v_found, p_body ->> 'location');
    if v_error is null then
      perform ops.commit_output(v_found, p_body, v_actor);
    else
      perform ops.fail_output(v_found, v_error, v_actor, p_body);
    end if;
  elsif v_found.state = 'recorded' then
    perform ops.fail_output(v_found, p_body -> 'error', v_actor);
  elsif not ops.is_settled_so(v_found, p_body) then
    perform ops.fail('OPC07', format('output %s of run %s is on record as %s%s', p_output, p_run_id, v_found.state,
        coalesce(', table version ' || v_found.table_version, '')),
      jsonb_build_object('state', v_found.state, 'table_version', v_found.table_version), 'What is on record stands.');
  end if;
  perform ops.notify_gathered();
  return (select jsonb_build_object('run_id', p.run_id, 'output', p.output, 'state', p.state,
                                    'table_version', p.table_version, 'run_state', r.state)
            from ops.publications p join ops.runs r on r.run_id = p.run_id
           where p.run_id = p_run_id and p.epoch = v_epoch and p.output = p_output);
end
$$;

-- functions/core/put_back.sql
-- Mutate and emit: a run that was running waits for its next attempt, or for a person (p_decision 'wait').
-- A retry that is due at once goes straight to the queue.
create or replace function ops.put_back(
  p_run_id uuid, p_decision text, p_reason text, p_retry_at timestamptz, p_actor text)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if p_decision = 'wait' then
    update ops.runs set state = 'waiting',
        state_reason = case p_reason when 'rule' then 'held_by_rule' else p_reason end,
           not_before = null where run_id = p_run_id;
    perform ops.emit(p_run_id, 'run.waiting', null, p_actor);
  elsif p_retry_at > ops.now() then
    update ops.runs set state = 'waiting', state_reason = 'retry_backoff', not_before = p_retry_at
     where run_id = p_run_id;
    perform ops.emit(p_run_id, 'run.retry_scheduled', null, p_actor,
                     jsonb_build_object('retry_at', ops.iso(p_retry_at)));
  else
    update ops.runs set not_before = null where run_id = p_run_id;
    perform ops.enqueue(array[p_run_id], p_actor);
  end if;
end
$$;

-- functions/core/queue_json.sql
-- A queue: whether it is paused, by whom, when and why, and how many of the runs that the caller may see are in it.
create or replace function ops.queue_json(p_queue text, p_workspaces text[]) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'queue', p_queue, 'paused', u.queue is not null, 'paused_at', ops.iso(u.paused_at), 'paused_by', u.paused_by,
    'paused_reason', u.paused_reason,
    'used', exists (select from ops.queue_floors f where f.queue = p_queue),
    'queued', (select count(*) from ops.runs r where r.state = 'queued' and not r.paused and r.queue = p_queue
                  and (p_workspaces is null or r.workspace = any (p_workspaces))),
    'running', (select count(*) from ops.leases l join ops.runs r on r.run_id = l.run_id where r.queue = p_queue
                   and (p_workspaces is null or r.workspace = any (p_workspaces))))
    from (select) one left join ops.queue_pauses u on u.queue = p_queue
$$;

-- functions/core/queue_position.sql
-- Where a queued run stands: 1 is next of its kind, whatever the queue, but for paused ones. Counts the runs that the
-- caller may see (p_workspaces, null: all), and says so when there may be others.
create or replace function ops.queue_position(p_run ops.runs, p_workspaces text[]) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_ahead bigint;
begin
  select count(*) into v_ahead from ops.runs r
   where r.state = 'queued' and not r.paused and r.kind = p_run.kind
     and (r.queue = p_run.queue or not exists (select from ops.queue_pauses u where u.queue = r.queue))
     and (r.priority > p_run.priority or (r.priority = p_run.priority and r.ready_seq < p_run.ready_seq))
     and (p_workspaces is null or r.workspace = any (p_workspaces));
  return ops.reason('position_in_queue', format('number %s in line for kind %s, in queue %s%s', v_ahead + 1, p_run.kind,
                           p_run.queue, case when p_workspaces is null then '' else ', of the runs that you may see' end),
                    jsonb_build_object('position', v_ahead + 1, 'queue', p_run.queue, 'kind', p_run.kind));
end
$$;

-- functions/core/queue_shares.sql
-- How many of the first ready runs that an executor could have stand in each of these queues, all of one priority;
-- those without any are left out. Locks nothing: others may hold some of them. Which runs: as in ops.pick_from.
create or replace function ops.queue_shares(
  p_executor ops.executors, p_offer jsonb, p_floors ops.queue_floors[], p_open text[], p_limit int, p_but uuid[])
returns table (floor ops.queue_floors, runs int)
language plpgsql stable set search_path = ''
as $$
declare
  v_now timestamptz := ops.now();
begin
  return query
    select p_floors[ahead.place], count(*)::int
      from (
        select f.place, r.ready_seq from generate_subscripts(p_floors, 1) as f (place)
         cross join lateral (
           select q.ready_seq from ops.runs q
            where q.state = 'queued' and not q.paused and q.queue = (p_floors[f.place]).queue
              and q.kind = (p_floors[f.place]).kind and q.priority = (p_floors[f.place]).priority
              and q.ready_seq >= (p_floors[f.place]).floor_seq
              and (p_executor.workspaces is null or q.workspace = any (p_executor.workspaces))
              and (q.requires is null or p_offer @> q.requires) and (q.deadline is null or q.deadline > v_now)
              and (q.concurrency_key is null or ops.key_of(q.workspace, q.concurrency_key) = any (p_open))
              and q.run_id <> all (p_but)
            order by q.ready_seq limit p_limit) r
         order by r.ready_seq limit p_limit) ahead
     group by ahead.place order by min(ahead.ready_seq);
end
$$;

-- functions/core/reason.sql
-- One reason of ops.why_run.
create or replace function ops.reason(p_code text, p_message text, p_detail jsonb default '{}') returns jsonb
language sql stable parallel safe
return jsonb_build_object('code', p_code, 'message', p_message, 'detail', p_detail);

-- functions/core/recheck_blocked.sql
-- Mutate and emit: look again at runs that wait for parents and should not any more. Returns whether there were any. A
-- backstop, since whoever ends a run unblocks its dependents: once in ten seconds, p_limit waiting runs in run-id
-- order, from where the last look ended. A run that raises is passed over.
create or replace function ops.recheck_blocked(p_limit int, p_actor text) returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_duty  record;
  v_seen  uuid[];
  v_stuck uuid[];
begin
  select * into v_duty from ops.take_duty('recheck_blocked', 10);
  if not v_duty.due then
    return false;
  end if;
  v_seen := array(
    select r.run_id from ops.runs r
     where r.state = 'waiting' and r.state_reason = 'waiting_on_dependency'
       and r.run_id > coalesce(v_duty.place::uuid, '00000000-0000-0000-0000-000000000000')
     order by r.run_id limit p_limit);
  update ops.duties set place = case when cardinality(v_seen) = p_limit then v_seen[p_limit]::text end
   where name = 'recheck_blocked';
  v_stuck := array(
    select r.run_id from ops.runs r
     where r.run_id = any (v_seen) and r.state = 'waiting' and r.state_reason = 'waiting_on_dependency'
       and ops.run_verdict(r.run_id, r.condition) <> 'wait'
     order by r.run_id for update skip locked);
  perform ops.sweep_each(array_fill('unblock_one'::text, array[cardinality(v_stuck)]), v_stuck, p_actor);
  return cardinality(v_stuck) > 0;
end
$$;

-- functions/core/record_answer.sql
-- Mutate: build the answer to a report and keep it for the next time the same report is sent.
create or replace function ops.record_answer(p_attempt ops.attempts, p_route jsonb) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_answer jsonb;
begin
  v_answer := jsonb_build_object(
    'run_id', p_attempt.run_id, 'epoch', p_attempt.epoch, 'attempt', p_attempt.attempt, 'outcome', p_attempt.outcome,
    'repeated', false, 'run_state', (select r.state from ops.runs r where r.run_id = p_attempt.run_id),
    'route', p_route,
    'publications', (
      select coalesce(jsonb_agg(jsonb_build_object(
               'output', p.output, 'state', p.state, 'app_id', p.app_id, 'app_version', p.app_version,
               'recorded_at', ops.iso(p.recorded_at)) order by p.output), '[]')
        from ops.publications p where p.run_id = p_attempt.run_id and p.epoch = p_attempt.epoch));
  update ops.attempts set answer = v_answer where run_id = p_attempt.run_id and epoch = p_attempt.epoch;
  return v_answer;
end
$$;

-- functions/core/record_caps.sql
-- Mutate and emit: what the executor enforced goes to the ledger. Raises OPV01.
create or replace function ops.record_caps(p_attempt ops.attempts, p_ledger jsonb) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_entry jsonb;
begin
  for v_entry in select e from jsonb_array_elements(p_ledger) e loop
    if coalesce(v_entry ->> 'layer', '') not in ('admission', 'engine', 'watchdog', 'control_room', 'settlement') then
      perform ops.invalid('/cap_ledger/layer', 'must be admission, engine, watchdog, control_room or settlement');
    end if;
    perform ops.note_cap(p_attempt.run_id, p_attempt.epoch, ops.executor_actor(p_attempt.executor_id), v_entry);
  end loop;
end
$$;

-- functions/core/record_publications.sql
-- Mutate: what an accepted success wants published, in the same transaction as the report. Each names a declared
-- output, once, as fixed at submit (ops.check_publication). Marker: app_id "<run_id>/<output>", app_version the epoch.
-- Raises OPV01.
create or replace function ops.record_publications(p_attempt ops.attempts, p_publications jsonb) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_run  ops.runs;
  v_item jsonb;
  v_seen text[] := '{}';
begin
  select * into v_run from ops.runs r where r.run_id = p_attempt.run_id;
  for v_item in select i from jsonb_array_elements(p_publications) i loop
    if v_item ->> 'output' = any (v_seen) then
      perform ops.invalid('/publications', format('output %s is named twice', v_item ->> 'output'));
    end if;
    perform ops.check_publication(v_run, v_item);
    v_seen := v_seen || (v_item ->> 'output');
    insert into ops.publications (run_id, epoch, output, format, mode, uri, files, schema, rows, partition_by,
        app_id, app_version, recorded_at)
    values (p_attempt.run_id, p_attempt.epoch, v_item ->> 'output', coalesce(v_item ->> 'format', 'delta'),
            v_item ->> 'mode', v_item ->> 'uri', v_item -> 'files', v_item -> 'schema', (v_item ->> 'rows')::bigint,
            coalesce(nullif(v_item -> 'partition_by', 'null'), '[]'), p_attempt.run_id || '/' || (v_item ->> 'output'),
            p_attempt.epoch, ops.now());
  end loop;
end
$$;

-- functions/core/refusal.sql
-- A caught refusal as the detail of a member's answer; a value of the wrong form (class 22) is one too, and p_code
-- becomes OPV01. Anything else is raised again as it was.
create or replace function ops.refusal(inout p_code text, p_message text, p_members text, p_hint text, out detail text)
language plpgsql stable set search_path = ''
as $$
begin
  if p_code like '22%' then
    p_code := 'OPV01';
    p_message := 'a value has the wrong form: ' || p_message;
    p_members := null;
  elsif p_code not like 'OP%' then
    raise exception using errcode = p_code, message = p_message, detail = p_members, hint = p_hint;
  end if;
  detail := json_build_object('message', p_message, 'members', coalesce(nullif(p_members, ''), '{}')::json,
                           'hint', nullif(p_hint, ''))::text;
end
$$;

-- functions/core/refuse_birth.sql
-- Trigger: a row created in a state in which nothing begins. See ops.refuse_transition.
create or replace function ops.refuse_birth() returns trigger
language plpgsql set search_path = ''
as $$
begin
  raise exception using errcode = '23514', message = format('%s: nothing begins in this state', tg_table_name),
    detail = to_jsonb(new) ->> tg_argv[0], hint = 'ops.transitions() lists what is allowed.';
end
$$;

-- functions/core/refuse_change.sql
-- Trigger: the table is append-only, also for its owner. SQLSTATE 42501, as for a missing privilege.
create or replace function ops.refuse_change() returns trigger
language plpgsql set search_path = ''
as $$
begin
  raise exception using errcode = '42501', message = format('ops.%s is append-only', tg_table_name),
    hint = 'Add a new row; what is recorded stays.';
end
$$;

-- functions/core/refuse_redefinition.sql
-- Trigger: a run's definition never changes after submit. One exception: inputs are resolved, once, while the run waits
-- for its parents. Fires only for statements that name one of the columns. SQLSTATE 42501.
create or replace function ops.refuse_redefinition() returns trigger
language plpgsql set search_path = ''
as $$
begin
  if new.inputs is distinct from old.inputs and old.state = 'waiting' and old.inputs = '[]'
     and (to_jsonb(new) - '{inputs,state,state_reason}'::text[]) = (to_jsonb(old) - '{inputs,state,state_reason}'::text[])
  then
    return new;
  end if;
  raise exception using errcode = '42501', message = format('run %s: its definition cannot change', old.run_id),
    hint = 'Submit a new run (retry_of keeps the link).';
end
$$;

-- functions/core/refuse_transition.sql
-- Trigger: a change of state that STATE_MACHINE.md does not draw. Reached only by a defect in a function, so the
-- SQLSTATE is 23514 (check violation), not one of ours.
create or replace function ops.refuse_transition() returns trigger
language plpgsql set search_path = ''
as $$
begin
  raise exception using errcode = '23514', message = format('%s: a change of state that is not allowed', tg_table_name),
    detail = coalesce(to_jsonb(old) ->> tg_argv[0], '(new)') || ' -> ' || (to_jsonb(new) ->> tg_argv[0]),
    hint = 'ops.transitions() lists what is allowed.';
end
$$;

-- functions/core/release_one.sql
-- Mutate and emit: a step of ops.leave_executor, taken by ops.sweep_each: the executor goes and gives a run back. The
-- caller holds run and lease. Answers as ops.take_back does.
create or replace function ops.release_one(p_run_id uuid, p_actor text) returns jsonb
language sql volatile set search_path = ''
as $$
  select ops.take_back(p_run_id, jsonb_build_object('class', 'internal', 'code', 'released', 'message', t.told), p_actor,
                       jsonb_build_object('reason', t.told))
    from (select 'the executor stopped and gave the run back' as told) t
$$;

-- functions/core/remember_claims.sql
-- Mutate: what claims were answered, for the next time they are sent. An empty answer is not remembered.
create or replace function ops.remember_claims(p_claims ops.member_claim[], p_starts ops.member_start[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  insert into ops.claim_requests (executor_id, request_id, body_digest, runs, created_at)
  select c.executor_id, c.request_id, c.body_digest, ('[' || string_agg(
           concat('{"run_id": "', s.run_id, '", "epoch": ', s.epoch, '}'), ',' order by s.n) || ']')::jsonb, ops.now()
    from unnest(p_starts) with ordinality s (ordinal, executor_id, run_id, epoch, pipeline_run_id, reserved, n)
    join unnest(p_claims) c on c.ordinal = s.ordinal
   group by c.executor_id, c.request_id, c.body_digest;
end
$$;

-- functions/core/renew_leases.sql
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

-- functions/core/repeated_claim.sql
-- Lock this request id for the transaction and read what it was answered before; `runs` is null when it is new.
-- Raises OPC06 when the id came with another body.
create or replace function ops.repeated_claim(p_executor ops.executors, p_body jsonb) returns ops.claim_requests
language plpgsql volatile set search_path = ''
as $$
declare
  v_request ops.claim_requests;
  v_digest  bytea := ops.claim_digest(p_body);
begin
  perform pg_advisory_xact_lock(ops.request_lock(p_body ->> 'request_id'));
  select * into v_request from ops.claim_requests c
   where c.executor_id = p_executor.executor_id and c.request_id = (p_body ->> 'request_id')::uuid;
  if v_request.body_digest <> v_digest then
    perform ops.request_id_conflict((p_body ->> 'request_id')::uuid);
  end if;
  v_request.request_id := (p_body ->> 'request_id')::uuid;
  v_request.body_digest := v_digest;
  return v_request;
end
$$;

-- functions/core/repeated_report.sql
-- The answer to a report of an attempt that has been reported: what was answered then, with repeated = true, when the
-- outcome is the same. Raises OPC02 with what is on record when it is another.
-- A body that differs is noted once, of each attempt the first ten; no other event comes to a run that has ended.
create or replace function ops.repeated_report(p_attempt ops.attempts, p_body jsonb) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_digest bytea := ops.digest(p_body);
begin
  if p_attempt.outcome <> p_body ->> 'outcome' then
    perform ops.fail('OPC02', format('epoch %s was reported as %s', p_attempt.epoch, p_attempt.outcome),
      jsonb_build_object('outcome', p_attempt.outcome, 'reported_at', ops.iso(p_attempt.reported_at)),
      'The first report stands; do not send another outcome.');
  end if;
  if p_attempt.report_digest <> v_digest and not ops.is_noted(p_attempt, v_digest) then
    perform ops.emit(p_attempt.run_id, 'report.differs', p_attempt.epoch, ops.executor_actor(p_attempt.executor_id),
      jsonb_build_object('digest_on_record', encode(p_attempt.report_digest, 'hex'),
                         'digest_sent', encode(v_digest, 'hex')));
    perform ops.keep_dropped_head(p_attempt.run_id);
  end if;
  return coalesce(p_attempt.answer, ops.plain_answer(p_attempt.run_id, p_attempt.epoch, p_attempt.attempt)::jsonb)
         || '{"repeated": true}';
end
$$;

-- functions/core/repeated_submit.sql
-- The run that this idempotency key made before, or was answered with, or null. Raises OPC03 when the key came with
-- another body.
--
-- Requests that answer a key without making a run (p_alone) go one at a time in a workspace and never beside a submit;
-- submits go beside each other, and the index on their keys keeps them apart.
create or replace function ops.repeated_submit(
  p_workspace text, p_key text, p_digest bytea, p_alone boolean default true)
returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_run_id uuid;
  v_number bigint;
  v_digest bytea;
begin
  if p_key is null then
    return null;
  end if;
  perform ops.lock_request_keys(p_workspace, p_alone);
  select r.run_id, r.number, x.request_digest into v_run_id, v_number, v_digest
    from (select s.run_id, s.request_digest from ops.runs s
           where s.workspace = p_workspace and s.idempotency_key = p_key
          union all
          select q.run_id, q.request_digest from ops.retry_requests q
           where q.workspace = p_workspace and q.idempotency_key = p_key) x
    join ops.runs r on r.run_id = x.run_id;
  if v_digest <> p_digest then
    perform ops.fail('OPC03', format('idempotency key %s was used with another body, for run %s', p_key, v_number),
      jsonb_build_object('run_id', v_run_id, 'number', v_number), 'Use a new key for a new request.');
  end if;
  return v_run_id;
end
$$;

-- functions/core/replay_each.sql
-- Replay dead letters: for each a new run with retry_of, as ops.retry_run makes it; at most 500 at once.
--   p_refs [run_id or number]
-- Returns (ordinal, code, detail) for each, in the order given from 0: detail is the new Run, or the refusal OPN01,
-- OPC05 (it has not failed, is a pipeline's task, or was retried already: `run_id` and `number` name that run), OPX01.
-- Raises OPU01, OPU02, OPV01.
create or replace function ops.replay_each(p_token_id uuid, p_refs jsonb) returns setof ops.member_answer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token   ops.tokens := ops.require(p_token_id, array['operator']);
  v_refs    text[]     := ops.text_array(p_refs, 'runs');
  v_runs    uuid[];
  v_member  record;
  v_new     uuid;
  v_code    text;
  v_message text;
  v_members text;
  v_hint    text;
begin
  if coalesce(cardinality(v_refs), 0) not between 1 and 500 then
    perform ops.invalid('/runs', 'must name 1 to 500 runs');
  end if;
  v_runs := array(
    select r.run_id from ops.runs r
     where (r.run_id = any (array(select f::uuid from unnest(v_refs) f
                                   where f ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'))
            or r.number = any (array(select f::bigint from unnest(v_refs) f where f ~ '^[0-9]{1,18}$')))
       and (v_token.workspaces is null or r.workspace = any (v_token.workspaces)));
  perform ops.gather_ready(true);
  perform ops.lock_tries(v_runs);
  perform ops.lock_planned_keys((
    select jsonb_agg(jsonb_build_object('workspace', r.workspace, 'key', r.concurrency_key, 'limit', r.concurrency_limit))
      from ops.runs r where r.concurrency_key is not null and (r.run_id = any (v_runs)
        or r.pipeline_run_id = any (v_runs))), true);
  perform from ops.runs r where r.run_id = any (v_runs) order by r.run_id for update;
  for v_member in select t.ref, (t.n - 1)::int as ordinal from unnest(v_refs) with ordinality t (ref, n) order by t.n loop
    begin
      v_new := ops.replay_one(v_token, ops.resolve_run(p_token_id, v_member.ref));
      return next row(v_member.ordinal, null, ops.run_json(v_new)::text)::ops.member_answer;
    exception when others then
      get stacked diagnostics v_code = returned_sqlstate, v_message = message_text, v_members = pg_exception_detail,
                              v_hint = pg_exception_hint;
      return query select v_member.ordinal, r.p_code, r.detail
                     from ops.refusal(v_code, v_message, v_members, v_hint) r;
    end;
  end loop;
  perform ops.notify_gathered();
end
$$;

-- functions/core/replay_one.sql
-- Guard, then mutate and emit: a new run for one dead letter. Returns its run_id. Raises OPC05, OPX01.
create or replace function ops.replay_one(p_token ops.tokens, p_run_id uuid) returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_run   ops.runs;
  v_later record;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id for update;
  select r.run_id, r.number into v_later from ops.runs r where r.retry_of = p_run_id order by r.number limit 1;
  if v_run.state <> 'failed' then
    perform ops.fail('OPC05', format('run %s %s %s', v_run.number,
        case when v_run.state = 'succeeded' then 'has' when ops.is_terminal(v_run.state) then 'was' else 'is' end,
        v_run.state), jsonb_build_object('state', v_run.state),
                     'Only failed runs are replayed; see `control-room runs dead`.');
  elsif v_run.pipeline_run_id is not null then
    perform ops.fail('OPC05', format('run %s is a task of a pipeline run', v_run.number),
      jsonb_build_object('state', v_run.state, 'pipeline_run_id', v_run.pipeline_run_id), 'Replay the pipeline run.');
  elsif v_later.run_id is not null then
    perform ops.fail('OPC05', format('run %s was retried already, as run %s', v_run.number, v_later.number),
      jsonb_build_object('state', v_run.state, 'run_id', v_later.run_id, 'number', v_later.number),
      format('Look at run %s.', v_later.number));
  end if;
  perform ops.check_not_retried(v_run);
  return ops.rerun(v_run, null, jsonb_build_object(
    'workspace', v_run.workspace, 'submitted_by', p_token.name, 'retry_of', p_run_id,
    'digest', encode(ops.digest(jsonb_build_object('retry_of', p_run_id)), 'hex')));
end
$$;

-- functions/core/report_attempt.sql
-- Report: the one terminal message of an attempt, and the route taken. Identity is (run, epoch): the same outcome again
-- is answered as the first time, with repeated = true (a differing body is noted as an event, never merged).
-- A success with publications leaves the run running, state_reason publishing, until ops.publish has seen them all.
-- Returns {run_id, epoch, attempt, outcome, repeated, run_state, route, publications}.
-- Raises OPU01, OPU02, OPN01, OPV01, OPC01 (stale epoch), OPC02 (another outcome is on record), OPC03 (the key reported
-- another attempt).
-- One member of ops.exchange_each.
create or replace function ops.report_attempt(p_token_id uuid, p_run_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
begin
  return ops.member_value((select e from ops.exchange_each(jsonb_build_array(jsonb_build_object(
    'ordinal', 0, 'token_id', p_token_id, 'run_id', p_run_id, 'body', p_body)), '[]') e where e.ordinal = 0));
end
$$;

-- functions/core/report_each.sql
-- Report many attempts: one statement for the plain successes, one by one for the rest; a refusal is its member's own.
--   p_reports [{ordinal, token_id, run_id, body, artifacts?}]; ordinals differ; body as for ops.report_attempt
-- Returns the answers, in no order, and the runs that ended, which the caller settles once for all. All runs are
-- locked first, in run-id order, then their leases, then idempotency keys. Raises only what no member is to blame for.
create or replace function ops.report_each(
  p_reports jsonb, out answers ops.member_answer[], out ended uuid[])
language plpgsql volatile set search_path = ''
as $$
declare
  v_member record;
  v_one    record;
  v_plain  record;
  v_done   int[];
begin
  perform from ops.runs r
    where r.run_id = any (array(select (m ->> 'run_id')::uuid from jsonb_array_elements(p_reports) m))
    order by r.run_id for update;
  -- in the order in which heartbeats lock them
  perform from ops.leases l
    where l.run_id = any (array(select (m ->> 'run_id')::uuid from jsonb_array_elements(p_reports) m))
    order by l.run_id for update;
  begin
    v_plain := ops.report_plain(p_reports);
    answers := v_plain.answers;
    ended := v_plain.ended;
  exception when unique_violation then
    -- a key that another transaction used in this moment: one by one each is told what is on record
    answers := '{}';
    ended := '{}';
  end;
  if cardinality(ended) = jsonb_array_length(p_reports) then
    return;
  end if;

  v_done := array(select a.ordinal from unnest(answers) a);
  -- in one order, so that two batches with the same keys take turns
  perform pg_advisory_xact_lock(k.lock)
     from (select distinct ops.report_lock((m ->> 'run_id')::uuid, m -> 'body') as lock
             from jsonb_array_elements(p_reports) m where (m ->> 'ordinal')::int <> all (v_done) order by 1) k;
  for v_member in
    select (m ->> 'ordinal')::int as ordinal, (m ->> 'token_id')::uuid as token_id, (m ->> 'run_id')::uuid as run_id,
           m -> 'body' as body,
           array(select jsonb_array_elements_text(coalesce(m -> 'artifacts', '[]'))::uuid) as artifacts
      from jsonb_array_elements(p_reports) m where (m ->> 'ordinal')::int <> all (v_done) order by 3, 1
  loop
    v_one := ops.report_guarded(v_member.token_id, v_member.run_id, v_member.body, v_member.artifacts);
    answers := answers || row(v_member.ordinal, v_one.code, v_one.detail)::ops.member_answer;
    if v_one.ended then
      ended := ended || v_member.run_id;
    end if;
  end loop;
end
$$;

-- functions/core/report_guarded.sql
-- One report of a batch that is not plain, with its refusal as a value. See ops.report_each.
create or replace function ops.report_guarded(
  p_token_id uuid, p_run_id uuid, p_body jsonb, p_artifacts uuid[], out code text, out detail text, out ended boolean)
language plpgsql volatile set search_path = ''
as $$
declare
  v_one     jsonb;
  v_message text;
  v_members text;
  v_hint    text;
begin
  begin
    v_one := ops.report_one(p_token_id, p_run_id, p_body, p_artifacts);
  exception when unique_violation then
    -- its key was on its way to the record in another transaction, and now is there: this time it is seen
    v_one := ops.report_one(p_token_id, p_run_id, p_body, p_artifacts);
  end;
  detail := v_one ->> 'detail';
  ended := (v_one ->> 'ended')::boolean;
exception when others then
  get stacked diagnostics code = returned_sqlstate, v_message = message_text, v_members = pg_exception_detail,
                          v_hint = pg_exception_hint;
  select r.p_code, r.detail into code, detail from ops.refusal(code, v_message, v_members, v_hint) r;
  ended := false;
end
$$;

-- functions/core/report_lock.sql
-- The advisory lock of a report's idempotency key, which is its executor's own; null for a report that is refused.
create or replace function ops.report_lock(p_run_id uuid, p_body jsonb) returns bigint
language sql stable set search_path = ''
as $$
  select hashtextextended(concat_ws('/', 'ops.report:', a.executor_id, p_body ->> 'idempotency_key'), 0)
    from ops.attempts a
   where a.run_id = p_run_id
     and a.epoch = case when p_body ->> 'epoch' ~ '^[0-9]{1,18}$' then (p_body ->> 'epoch')::bigint end
$$;

-- functions/core/report_one.sql
-- One report, all kinds: {detail: the answer, ended: whether the run reached a final state}. The caller settles it.
-- Raises as ops.report_attempt does.
-- p_artifacts: artifacts of the attempt that are recorded first; the server has seen their bytes.
create or replace function ops.report_one(
  p_token_id uuid, p_run_id uuid, p_body jsonb, p_artifacts uuid[] default '{}')
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_token   ops.tokens := ops.require(p_token_id, array['executor']);
  v_epoch   bigint;
  v_attempt ops.attempts;
  v_route   jsonb;
begin
  perform ops.check_report(p_body);
  v_epoch := ops.body_epoch(p_body);
  perform pg_advisory_xact_lock(ops.report_lock(p_run_id, p_body));  -- ops.report_each has it already
  perform from ops.runs r where r.run_id = p_run_id for update;

  perform ops.check_attempt_owner(v_token, p_run_id, v_epoch);
  select * into v_attempt from ops.attempts a where a.run_id = p_run_id and a.epoch = v_epoch;
  if v_attempt.reported_at is not null then
    return jsonb_build_object('detail', ops.repeated_report(v_attempt, p_body), 'ended', false);
  end if;
  if not exists (select from ops.leases l where l.run_id = p_run_id and l.epoch = v_epoch) then
    perform ops.lease_lost(p_run_id, v_epoch);
  end if;
  perform ops.record_artifact(p_token_id, p_run_id, a, jsonb_build_object('epoch', v_epoch)) from unnest(p_artifacts) a;
  perform ops.check_report_key(v_attempt, p_body ->> 'idempotency_key');

  v_attempt := ops.close_attempt(v_attempt, p_body);
  v_route := ops.follow_report(v_attempt, p_body);
  return jsonb_build_object('detail', ops.record_answer(v_attempt, v_route - 'ended'), 'ended', v_route -> 'ended');
end
$$;

-- functions/core/report_plain.sql
-- Mutate and emit: the reports of a batch that are plain successes, in one statement: the lease is held, nothing is to
-- be published, no artifact waits to become visible, no cap fired, nobody cancelled. The rest is left alone.
-- Returns their answers and the runs that ended.
-- The caller holds the locks of the runs, and so of their attempts, and of the leases since an earlier statement: what
-- this one sees of them is the last version, and is changed at its place (ctid). Joined by run_id, a session that made
-- its plan while the tables were empty would look through all members for each of them.
create or replace function ops.report_plain(
  p_reports jsonb, out answers ops.member_answer[], out ended uuid[])
language plpgsql volatile set search_path = ''
as $$
declare
  v_now   timestamptz := ops.now();
  v_at    text := ops.iso(v_now);
  v_freed text[];
begin
  with sent as materialized (
    select (m ->> 'ordinal')::int as ordinal, (m ->> 'token_id')::uuid as token_id, (m ->> 'run_id')::uuid as run_id,
           m -> 'body' as body,
           ops.is_plain_report(m -> 'body') and coalesce(m -> 'artifacts', '[]') = '[]' as is_plain,
           row_number() over (partition by (m ->> 'run_id')::uuid order by (m ->> 'ordinal')::int) as nth_of_run,
           row_number() over (partition by m #>> '{body,idempotency_key}' order by (m ->> 'ordinal')::int) as nth_of_key
      from jsonb_array_elements(p_reports) m
  ), fit as materialized (
    select s.ordinal, s.token_id, s.run_id, (s.body ->> 'epoch')::bigint as epoch, s.body ->> 'idempotency_key' as key,
           nullif(s.body -> 'result', 'null') as result, nullif(s.body -> 'usage', 'null') as usage,
           ops.metrics_of(s.body) as metrics, ops.digest(s.body) as digest
      from sent s where s.is_plain and s.nth_of_run = 1 and s.nth_of_key = 1
  ), plain as materialized (
    select s.*, l.executor_id, 'executor:' || e.name as actor, l.progress, r.attempt, r.event_seq, r.event_head,
           greatest(r.event_xid, pg_current_xact_id()) as event_xid,
           l.place as lease_at, a.place as attempt_at, r.place as run_at,
           coalesce(l.usage, '{}') || coalesce(s.usage, '{}') as used, coalesce(s.metrics, l.metrics) as measured,
           ops.key_of(l.workspace, l.concurrency_key) as freed_key
      from fit s
     cross join lateral (select h.*, h.ctid as place from ops.leases h where h.run_id = s.run_id offset 0) l
      join ops.executors e on e.executor_id = l.executor_id and e.token_id = s.token_id
      join ops.tokens t on t.token_id = s.token_id and t.role = 'executor' and ops.token_is_live(t)
     cross join lateral (select u.*, u.ctid as place from ops.runs u where u.run_id = s.run_id offset 0) r
     cross join lateral (
       select t.ctid as place from ops.attempts t where t.run_id = s.run_id and t.epoch = s.epoch offset 0) a
     where r.cancel_requested_at is null and l.epoch = s.epoch and l.reported_at is null
       and (select a.run_id from ops.attempts a
             where a.executor_id = l.executor_id and a.idempotency_key = s.key limit 1) is null
       and (select f.run_id from ops.artifacts f where f.run_id = s.run_id and f.epoch = s.epoch limit 1) is null
  ), told as materialized (
    select p.*, ops.canonical_text(p.run_id, p.event_seq + 1, v_at, 'run.succeeded', p.epoch, p.actor,
             concat('{"state": "succeeded", "attempt": ', p.attempt, ', "outcome": "succeeded", "state_reason": null, '
                    '"report_digest": "', encode(p.digest, 'hex'), '"}')) as canonical
      from plain p
  ), hashed as materialized (
    select t.*, sha256(t.event_head || convert_to(t.canonical, 'UTF8')) as hash from told t
  ), freed as (
    delete from ops.leases l using hashed h where l.ctid = h.lease_at
  ), closed as (
    update ops.attempts a set outcome = 'succeeded', finished_at = v_now, reported_at = v_now,
        idempotency_key = h.key, report_digest = h.digest, result = h.result, usage = h.used,
        metrics = h.measured
      from hashed h where a.ctid = h.attempt_at
  ), finished as (
    update ops.runs r set state = 'succeeded', state_reason = null, finished_at = v_now, error = null,
        result = h.result, progress = coalesce(h.progress, r.progress), usage = r.usage || h.used,
        event_seq = h.event_seq + 1, event_head = h.hash, event_xid = h.event_xid
      from hashed h where r.ctid = h.run_at
  ), written as (
    insert into ops.events (run_id, seq, at, type, epoch, canonical, prev_hash, hash, xid)
    select h.run_id, h.event_seq + 1, v_now, 'run.succeeded', h.epoch, h.canonical, h.event_head, h.hash, h.event_xid
      from hashed h
  )
  select coalesce(array_agg(row(h.ordinal, null, ops.plain_answer(h.run_id, h.epoch, h.attempt))::ops.member_answer),
                  '{}'),
         coalesce(array_agg(h.run_id), '{}'), array_agg(h.freed_key) filter (where h.freed_key is not null)
    into answers, ended, v_freed from hashed h;
  if v_freed is not null then
    perform ops.announce_freed(v_freed);
  end if;
end
$$;

-- functions/core/report_told.sql
-- What events tell of an accepted report: {outcome, attempt, report_digest}; of a failure its error without the trace,
-- of a cancellation the reason that the executor gave.
create or replace function ops.report_told(p_attempt ops.attempts, p_body jsonb) returns jsonb
language sql stable parallel safe
return jsonb_build_object('outcome', (p_attempt).outcome, 'attempt', (p_attempt).attempt,
                          'report_digest', encode((p_attempt).report_digest, 'hex'))
       || case when (p_attempt).error is null then '{}'
               else jsonb_build_object('error', (p_attempt).error - 'trace') end
       || case when (p_attempt).outcome <> 'cancelled' then '{}'
               else jsonb_build_object('reason', p_body -> 'reason') end;

-- functions/core/reproduce_run.sql
-- Reproduce: a new run of the same template version with the same parameters and exactly the inputs that an ended run
-- had; what it publishes lies at places of its own (ops.outputs_beside). Of a pipeline all tasks, each with what the
-- reproduced ones before it left. A run whose engine wrote tables by itself writes them again: that has to be wanted.
--   p_body {idempotency_key?, write_again?}
-- Returns the Run, with `repeated: true` when the key was seen. Raises OPU01, OPU02, OPN01, OPC03, OPC05, OPV01, OPV02.
create or replace function ops.reproduce_run(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token  ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id uuid       := ops.resolve_run(p_token_id, p_ref);
  v_digest bytea      := ops.digest(coalesce(p_body, '{}') || jsonb_build_object('reproduces', v_run_id));
  v_tables text[];
  v_run    ops.runs;
  v_found  uuid;
begin
  if jsonb_typeof(p_body -> 'write_again') not in ('boolean', 'null') then
    perform ops.invalid('/write_again', 'must be true or false');
  end if;
  select * into v_run from ops.runs r where r.run_id = v_run_id;
  v_found := ops.repeated_submit(v_run.workspace, p_body ->> 'idempotency_key', v_digest);
  if v_found is not null then
    return ops.run_json(v_found) || '{"repeated": true}';
  end if;
  perform ops.gather_ready(true);
  select * into v_run from ops.runs r where r.run_id = v_run_id;
  if not ops.is_terminal(v_run.state) or v_run.state = 'skipped' then
    perform ops.fail('OPC05', format('run %s %s %s', v_run.number,
        case v_run.state when 'skipped' then 'was' else 'is' end, v_run.state),
      jsonb_build_object('state', v_run.state), 'Reproduce a run that was done.');
  end if;
  v_tables := array(select distinct a.table_ref ->> 'uri' from ops.artifacts a
                     where a.run_id in (select ops.run_workers(v_run)) and a.state = 'visible'
                       and a.table_ref is not null);
  if v_tables <> '{}' and not coalesce((p_body ->> 'write_again')::boolean, false) then
    perform ops.fail('OPC05', format('the engine of run %s wrote tables by itself, and would write them again: %s',
        v_run.number, ops.first_names(v_tables)),
      jsonb_build_object('state', v_run.state, 'tables', v_tables),
      'Say write_again (--write-again) to have them written; what it publishes as outputs lies beside in any case.');
  end if;
  v_found := ops.rerun(v_run, p_body ->> 'idempotency_key', jsonb_build_object(
    'workspace', v_run.workspace, 'submitted_by', v_token.name, 'reproduces', v_run_id,
    'digest', encode(v_digest, 'hex')), false);
  perform ops.notify_gathered();
  return ops.run_json(v_found);  -- a statement of its own, which sees the new run
end
$$;

-- functions/core/request_id_conflict.sql
-- Refuse a request id that came with another body: raises OPC06.
create or replace function ops.request_id_conflict(p_request_id uuid) returns void
language plpgsql stable set search_path = ''
as $$
begin
  perform ops.fail('OPC06', format('request_id %s was used with another body', p_request_id),
    jsonb_build_object('request_id', p_request_id), 'Use a new request_id for a new claim.');
end
$$;

-- functions/core/request_lock.sql
-- The lock of a claim's request id, in whatever spelling.
create or replace function ops.request_lock(p_request_id text) returns bigint
language sql immutable parallel safe
return hashtextextended('ops.claim:' || lower(p_request_id), 0);

-- functions/core/requeue_run.sql
-- Requeue a running run whose executor is lost, without waiting for its lease to end: does at once what the sweeper
-- would do then. The epoch rises, the attempt is expired and its run routed: back to the queue without a backoff, or
-- failed when that was its last attempt, or waiting for a person when a rerun is unsafe. What the old executor still
-- sends is refused. An operator's word, so `force` must be true.
--   p_body {force, epoch, reason?}; epoch: the one to revoke, so that a request that is sent again takes the run from
--   nobody else. The same epoch again is no error.
-- Returns the Run. Raises OPU01, OPU02, OPN01, OPC05 with {state, epoch} (it does not run, or in another epoch), OPV01.
create or replace function ops.requeue_run(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token  ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id uuid       := ops.resolve_run(p_token_id, p_ref);
  v_reason text       := ops.checked_reason(p_body);
  v_actor  text       := 'operator:' || v_token.name;
  v_error  jsonb      := jsonb_build_object('class', 'internal', 'code', 'requeued', 'message',
    format('%s took the run back at %s%s', v_actor, ops.iso(ops.now()), coalesce(': ' || v_reason, '')));
  v_epoch  bigint;
  v_run    ops.runs;
begin
  if p_body -> 'force' is distinct from 'true' then
    perform ops.invalid('/force', 'must be true', 'The executor may still be at work; what it does is then thrown away.');
  end if;
  if coalesce(p_body -> 'epoch', 'null') = 'null' then
    perform ops.invalid('/epoch', 'is required', 'Send the epoch to revoke, as the run shows it: a later one stays.');
  end if;
  v_epoch := ops.body_epoch(p_body);
  select * into v_run from ops.runs r where r.run_id = v_run_id for update;
  if v_run.epoch <> v_epoch and exists (select from ops.attempts a where a.run_id = v_run_id and a.epoch = v_epoch
                                           and a.outcome = 'expired') then
    return ops.run_json(v_run_id);
  end if;
  perform ops.check_steerable(v_run);
  if v_run.state <> 'running' or v_run.kind = 'pipeline' or v_run.epoch <> v_epoch then
    perform ops.fail('OPC05', format('%s %s is %s%s', case v_run.kind when 'pipeline' then 'pipeline run' else 'run' end,
        v_run.number, v_run.state, case when v_run.epoch <> v_epoch then format(' in epoch %s', v_run.epoch) else '' end),
      jsonb_build_object('state', v_run.state, 'epoch', v_run.epoch), 'Only a run that an executor holds can be requeued.');
  end if;

  perform ops.tell_orders(array[v_run.executor_id]);
  perform ops.gather_ready(true);
  perform ops.settle(array(select jsonb_array_elements_text(ops.take_back(v_run_id, v_error, v_actor,
    jsonb_build_object('reason', v_reason)) -> 'ended')::uuid), v_actor);
  perform ops.notify_gathered();
  return ops.run_json(v_run_id);
end
$$;

-- functions/core/require.sql
-- Guard: who calls, when the token lives and has one of the roles. Returns the token's row.
-- Raises OPU01 (no, unknown, revoked or expired token), OPU02 (another role).
create or replace function ops.require(p_token_id uuid, p_roles text[]) returns ops.tokens
language plpgsql stable set search_path = ''
as $$
declare
  v_token ops.tokens;
begin
  select * into v_token from ops.tokens t where t.token_id = p_token_id;
  if v_token.token_id is null or not ops.token_is_live(v_token) then
    perform ops.fail('OPU01', 'the token is unknown, revoked or expired', '{}', 'Log in again or use a valid token.');
  end if;
  if v_token.role <> all (p_roles) then
    perform ops.fail('OPU02', format('a token of role %s cannot do this', v_token.role),
                     jsonb_build_object('role', v_token.role, 'needed', p_roles),
                     format('Use a token of role %s.', array_to_string(p_roles, ' or ')));
  end if;
  return v_token;
end
$$;

-- functions/core/rerun.sql
-- Mutate and emit: a new run from an ended one; see ops.retry_run. What it waited for, it waits for again: the same
-- runs, which stay as they ended, so that it finds the same inputs, or is skipped again. A concurrency key keeps the
-- limit that newer submits gave it. p_failed_only: of a pipeline, the tasks that succeeded are not run again.
-- p_latest: the newest version of the template, not that of the ended run. A pipeline whose succeeded tasks are kept
-- stays what it was, as the kept ones are tasks of that; its other tasks take the newest of theirs. What the newest
-- version makes of the parameters comes from the server, as p_checked {template_version, params, tasks}.
-- A reproduction (p_place has reproduces) of a task, or of a run that waited for others, takes exactly the inputs that
-- the ended run had; what a reproduction makes lies beside, and so does what a further try of one makes.
-- Raises OPC12 {template, version, keep: [task key]} when p_checked is missing or was made by another version.
create or replace function ops.rerun(
  p_run ops.runs, p_key text, p_place jsonb, p_failed_only boolean default true, p_latest boolean default false,
  p_checked jsonb default null)
returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_template ops.templates;
  v_released int   := (select count(*) from ops.attempts a  -- attempts that cost it nothing
                        where a.run_id = p_run.run_id and ops.is_released(a.outcome, a.error));
  v_body     jsonb := jsonb_build_object('params', p_run.params, 'labels', p_run.labels, 'priority', p_run.priority,
    'queue', p_run.queue, 'max_attempts', p_run.max_attempts - v_released, 'retry', p_run.retry,
    'lease_seconds', p_run.lease_seconds, 'condition', p_run.condition, 'concurrency_key', p_run.concurrency_key,
    'concurrency_limit', p_run.concurrency_limit,
    'traceparent', p_run.traceparent, 'idempotency_key', p_key);
  v_parents  jsonb := (select coalesce(jsonb_agg(jsonb_build_object('depends_on', d.depends_on, 'inputs', d.inputs)
                                               order by d.depends_on), '[]')
                         from ops.run_dependencies d where d.run_id = p_run.run_id);
  v_repairs  boolean := p_run.kind = 'pipeline' and p_run.state <> 'succeeded' and p_failed_only;
  v_keep     jsonb := '{}';
  v_pinned   jsonb;
  v_new      uuid;
begin
  p_place := p_place || '{"rerun": true}';
  if p_place ? 'reproduces' and p_run.kind <> 'pipeline' then
    v_parents := '[]';
  elsif p_run.reproduces is not null then
    p_place := jsonb_build_object('reproduces', p_run.reproduces) || p_place;
  end if;
  if p_latest and not v_repairs then
    v_template := ops.find_template(p_run.workspace, p_run.template_name);
  else
    select * into v_template from ops.templates t where t.template_id = p_run.template_id;
  end if;
  v_body := v_body || jsonb_build_object('caps', ops.rerun_caps(p_run, v_template));
  if v_template.template_id = p_run.template_id then
    p_place := p_place || jsonb_build_object('cap_rules', p_run.cap_rules);
  end if;
  if v_repairs then
    v_keep := ops.succeeded_tasks(p_run.run_id);
  end if;
  if p_latest then
    perform ops.check_latest(p_run, v_template, p_checked, v_keep);
    v_body := v_body || jsonb_build_object('params', p_checked -> 'params');
  end if;
  if p_run.kind <> 'pipeline' then
    if v_parents = '[]' then
      p_place := p_place || jsonb_build_object('inputs', p_run.inputs);
    end if;
    v_new := ops.submit_template(v_template, v_body, p_place, v_parents);
    perform ops.announce(array[v_new]);
    return v_new;
  end if;
  if p_latest then
    v_pinned := p_checked -> 'tasks';
  else
    v_pinned := ops.pinned_tasks(p_run.run_id);
  end if;
  return ops.submit_template(v_template, v_body, p_place, v_parents, v_keep, coalesce(v_pinned, '{}'));
end
$$;

-- functions/core/rerun_caps.sql
-- The caps of a new run of an ended one. Of the same template version: those it had; what platform caps allowed then
-- may be above what they allow now, and the tighter holds. Of another version: that version's, and those which the
-- ended run's submit had tightened.
create or replace function ops.rerun_caps(p_run ops.runs, p_template ops.templates) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_before  jsonb;
  v_tighter jsonb;
begin
  if p_template.template_id = p_run.template_id then
    return ops.effective_caps(p_run.workspace, p_run.template_name, p_run.caps);
  end if;
  v_before := ops.effective_caps(p_run.workspace, p_run.template_name, coalesce(nullif(
    (select ops.cap_limits(t.spec -> 'caps') from ops.templates t where t.template_id = p_run.template_id), 'null'), '{}'));
  v_tighter := (select jsonb_object_agg(c.key, c.value) from jsonb_each(p_run.caps) c
                 where c.value::text::numeric < coalesce((v_before ->> c.key)::numeric, 'infinity'));
  return ops.effective_caps(p_run.workspace, p_run.template_name,
                            ops.tightest(ops.cap_limits(p_template.spec -> 'caps'), v_tighter));
end
$$;

-- functions/core/reschedule_each.sql
-- Mutate and emit: these locked runs, where they wait or are queued, or are pipelines, get another priority or time.
-- The time counts only for those that wait for a time, for parents or for their pipeline's.
create or replace function ops.reschedule_each(p_run_ids uuid[], p_schedule jsonb, p_reason text, p_actor text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_run   ops.runs;
  v_old   ops.runs;
  v_moved uuid[] := '{}';
begin
  for v_old in
    select * from ops.runs r where r.run_id = any (p_run_ids)
       and (r.state in ('waiting', 'queued') or (r.kind = 'pipeline' and not ops.is_terminal(r.state)))
     order by r.ready_seq nulls last, r.run_id
  loop
    v_run := v_old;
    v_run.priority := coalesce((p_schedule ->> 'priority')::int, v_old.priority);
    if p_schedule ? 'not_before' and (v_old.kind = 'pipeline' or v_old.state_reason in
        ('not_before', 'retry_backoff', 'waiting_on_dependency', 'waiting_on_pipeline')) then
      -- now, for one that waits, is a time that has come
      v_run.not_before := coalesce((p_schedule ->> 'not_before')::timestamptz,
                                   case when v_old.not_before is not null then least(v_old.not_before, ops.now()) end);
    end if;
    continue when (v_run.priority, v_run.not_before) is not distinct from (v_old.priority, v_old.not_before);
    update ops.runs set priority = v_run.priority, not_before = v_run.not_before where run_id = v_run.run_id;
    perform ops.emit(v_run.run_id, 'run.rescheduled', null, p_actor, jsonb_build_object('reason', p_reason,
      'priority', v_run.priority, 'priority_before', v_old.priority,
      'not_before', ops.iso(v_run.not_before), 'not_before_before', ops.iso(v_old.not_before)));
    if v_run.state = 'queued' then
      v_moved := v_moved || v_run.run_id;
    end if;
  end loop;
  perform ops.draw_ready(v_moved);
  perform ops.enqueue(array(select r.run_id from ops.runs r where r.run_id = any (p_run_ids) and ops.is_due(r)
                             order by r.not_before, r.run_id), p_actor);
end
$$;

-- functions/core/reschedule_run.sql
-- Reschedule a run that waits or is queued, of a pipeline all tasks that do: another priority, or another time before
-- which it does not start (null: now). A queued run goes to the end of its new priority. What changes nothing is no
-- error and tells nothing new.
--   p_body {priority?, not_before?, reason?}
-- Returns the Run. Raises OPU01, OPU02, OPN01, OPC05 with {state} (it runs, has ended, waits for a person), OPV01.
create or replace function ops.reschedule_run(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token    ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id   uuid       := ops.resolve_run(p_token_id, p_ref);
  v_reason   text       := ops.checked_reason(p_body);
  v_schedule jsonb      := ops.checked_schedule(p_body);
begin
  perform ops.gather_ready(true);
  perform ops.check_reschedule(ops.lock_family(v_run_id), v_schedule);

  perform ops.reschedule_each(
    array(select r.run_id from ops.runs r where r.run_id = v_run_id or r.pipeline_run_id = v_run_id),
    v_schedule, v_reason, 'operator:' || v_token.name);
  perform ops.notify_gathered();
  return ops.run_json(v_run_id);
end
$$;

-- functions/core/reserve_budgets.sql
-- Mutate and emit: what the picked runs are expected to use is reserved of their budgets. A run for which one of them
-- has no room is not started: it waits for budget_exhausted. Returns the starts that may go on. Settles what has ended
-- in this transaction before, since the balances are locked once, last of all: so are the pipelines that are going to
-- start, which ops.start_pipelines would lock after them.
create or replace function ops.reserve_budgets(p_starts ops.member_start[]) returns ops.member_start[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_starts ops.member_start[];
  v_fit    ops.member_start[];
  v_lines  ops.budget_line[];
begin
  if cardinality(p_starts) = 0 or not exists (select from ops.budgets b where b.removed_at is null) then
    return p_starts;
  end if;
  v_starts := ops.with_lines(p_starts);
  v_lines := array(select distinct on (l.budget_id, l.period_start) l
                     from unnest(v_starts) s cross join lateral unnest(s.reserved) l);
  if cardinality(v_lines) = 0 then
    return p_starts;
  end if;

  perform from ops.runs r
    where r.run_id = any (array(select s.pipeline_run_id from unnest(v_starts) s)) and r.state = 'waiting'
    order by r.run_id for update;
  perform ops.settle_budgets(v_lines);

  v_fit := ops.within_budgets(v_starts);
  update ops.budget_balances b set reserved = b.reserved + x.total
    from (select l.budget_id, l.period_start, sum(l.reserved) as total
            from unnest(v_fit) s cross join lateral unnest(s.reserved) l group by 1, 2) x
   where (b.budget_id, b.period_start) = (x.budget_id, x.period_start);
  insert into ops.budget_ledger (run_id, epoch, entry, lines, at)
  select s.run_id, r.epoch + 1, 'reserved', s.reserved, ops.now()
    from unnest(v_fit) s cross join lateral (select u.epoch from ops.runs u where u.run_id = s.run_id offset 0) r
   where s.reserved is not null;
  perform ops.hold_for_budgets(array(
    select s from unnest(v_starts) s where s.run_id <> all (array(select f.run_id from unnest(v_fit) f))));
  return v_fit;
end
$$;

-- functions/core/resolve_input.sql
-- One input of a run, from the output of one finished parent: a committed publication (its exact table version, 0
-- included, where its files lie; an object with its digest, since another run may replace it), else a visible artifact
-- of that name. A table that an engine wrote has its version behind its name (`catalog.schema.table@5`): asked for
-- without, it is the last one that the parent made. Of a parent that reused what another run left, that one's. Null
-- when the parent left nothing of that name.
create or replace function ops.resolve_input(p_name text, p_parent uuid, p_output text) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_found  jsonb;
  v_parent uuid := ops.worker_of(p_parent);
begin
  select jsonb_build_object('format', p.format, 'version', p.table_version,
                            'uri', case when p.format = 'iceberg' then p.location else p.uri end)
         || case when p.format = 'object'
                 then jsonb_build_object('kind', 'object', 'sha256', p.files #> '{0,sha256}',
                                         'size', p.files #> '{0,size}')
                 else '{"kind": "table"}' end
    into v_found from ops.publications p
   where p.run_id = v_parent and p.output = p_output and p.state = 'committed'
   order by p.epoch desc limit 1;
  if v_found is null then
    select case when a.table_ref is not null
                then jsonb_build_object('kind', 'table') || jsonb_build_object('format', a.table_ref -> 'format',
                       'uri', a.table_ref -> 'uri', 'version', a.table_ref -> 'version')
                else jsonb_build_object('kind', 'artifact', 'artifact_id', a.artifact_id,
                                         'sha256', a.sha256, 'size', a.size)
           end
      into v_found from ops.artifacts a
     where a.run_id = v_parent and a.state = 'visible'
       and a.name in (p_output, p_output || '@' || (a.table_ref ->> 'version'))
     order by a.epoch desc, a.name <> p_output, a.begun_at desc, a.artifact_id desc limit 1;
  end if;
  return '{"format": null, "uri": null, "version": null, "artifact_id": null, "sha256": null, "size": null}'::jsonb
         || jsonb_build_object('name', p_name, 'from_run_id', v_parent) || v_found;
end
$$;

-- functions/core/resolve_inputs.sql
-- All inputs of a run whose condition holds. Returns {inputs: [..], missing: [{"name", "output", "task_key", "number",
-- "left"}]}: missing is what a succeeded parent should have left and did not, with what it left instead; a parent that
-- did not succeed is left out.
create or replace function ops.resolve_inputs(p_run_id uuid) returns jsonb
language sql stable
return (
  with wanted as (
    select i.key as name, i.value as output, p.run_id, p.number, p.task_key, p.state,
           ops.resolve_input(i.key, d.depends_on, i.value) as found
      from ops.run_dependencies d
      join ops.runs p on p.run_id = d.depends_on
      cross join lateral jsonb_each_text(d.inputs) i
     where d.run_id = p_run_id)
  select jsonb_build_object(
    'inputs', coalesce(jsonb_agg(w.found order by w.name) filter (where w.found is not null), '[]'),
    'missing', coalesce(jsonb_agg(jsonb_build_object(
        'name', w.name, 'output', w.output, 'task_key', w.task_key, 'number', w.number,
        'left', ops.left_outputs(w.run_id))
      order by w.name) filter (where w.found is null and w.state = 'succeeded'), '[]'))
    from wanted w);

-- functions/core/resolve_run.sql
-- The run_id behind a reference: a run_id or a number, in a workspace that the token may see. p_token_id null: the
-- reactor, which sees all. Raises OPU01, OPN01 (also for a run of another workspace: its existence is not told).
create or replace function ops.resolve_run(p_token_id uuid, p_ref text) returns uuid
language plpgsql stable set search_path = ''
as $$
declare
  v_workspaces text[];
  v_run_id     uuid;
begin
  if p_token_id is not null then
    v_workspaces := (ops.require(p_token_id, array['operator', 'viewer', 'executor'])).workspaces;
  end if;
  if p_ref ~ '^[0-9]{1,18}$' then
    select r.run_id into v_run_id from ops.runs r
     where r.number = p_ref::bigint and (v_workspaces is null or r.workspace = any (v_workspaces));
  elsif p_ref ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    select r.run_id into v_run_id from ops.runs r
     where r.run_id = p_ref::uuid and (v_workspaces is null or r.workspace = any (v_workspaces));
  end if;
  if v_run_id is null then
    perform ops.fail('OPN01', format('there is no run %s', left(p_ref, 80)), '{}',
                     'Give a run_id or a number, as `runs ls` shows them.');
  end if;
  return v_run_id;
end
$$;

-- functions/core/resume_executor.sql
-- Resume a paused executor: it gets runs again.
-- Repeating it is no error.  p_body {reason?}
-- Returns the Executor. Raises OPU01, OPU02, OPN03, OPC05, OPC09, OPV01; see ops.steer_executor.
create or replace function ops.resume_executor(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
begin
  return ops.steer_executor(p_token_id, p_ref, 'active', p_body);
end
$$;

-- functions/core/resume_queue.sql
-- Resume a queue; its runs stand where they stood. Resuming a queue that is not paused is no error.
-- Returns the Queue. Raises OPU01, OPU02 (the token opens some workspaces only).
create or replace function ops.resume_queue(p_token_id uuid, p_queue text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token ops.tokens := ops.require_everywhere(p_token_id);
begin
  delete from ops.queue_pauses where queue = p_queue;
  if found then
    perform ops.notify_ready(null);
  end if;
  return ops.queue_json(p_queue, v_token.workspaces);
end
$$;

-- functions/core/resume_run.sql
-- Resume a paused run, a pipeline with all its tasks: a queued one enters the ready index at the end of its priority,
-- with a new ready sequence; one whose time came meanwhile is queued now. Resuming a run that is not paused is no
-- error.
--   p_body {reason?}
-- Returns the Run. Raises OPU01, OPU02, OPN01, OPC05 with {state} (it has ended, or is publishing), OPV01.
create or replace function ops.resume_run(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token   ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id  uuid       := ops.resolve_run(p_token_id, p_ref);
  v_reason  text       := ops.checked_reason(p_body);
  v_resumed uuid[];
begin
  perform ops.gather_ready(true);
  perform ops.check_steerable(ops.lock_family(v_run_id));

  v_resumed := ops.set_paused(
    array(select r.run_id from ops.runs r where r.run_id = v_run_id or r.pipeline_run_id = v_run_id),
    false, v_reason, 'operator:' || v_token.name);
  perform ops.draw_ready(array(select r.run_id from ops.runs r
                                where r.run_id = any (v_resumed) and r.state = 'queued' order by r.ready_seq));
  perform ops.enqueue(array(select r.run_id from ops.runs r where r.run_id = any (v_resumed) and ops.is_due(r)
                             order by r.not_before), 'operator:' || v_token.name);
  perform ops.notify_gathered();
  return ops.run_json(v_run_id);
end
$$;

-- functions/core/retry_classes.sql
-- The failure classes that a template's spec has tried again.
create or replace function ops.retry_classes(p_spec jsonb) returns jsonb
language sql immutable parallel safe
return coalesce(p_spec #> '{retry,on}', '["external", "internal", "resources"]');

-- functions/core/retry_delay.sql
-- Seconds until the next attempt: exponential from backoff_seconds (default 5) up to backoff_max_seconds (default 300),
-- and of that a random part between a half and the whole. p_attempt: the attempt that has just ended, from 1.
create or replace function ops.retry_delay(p_retry jsonb, p_attempt int) returns numeric
language sql volatile parallel safe
return least(coalesce((p_retry ->> 'backoff_max_seconds')::numeric, 300),
             coalesce((p_retry ->> 'backoff_seconds')::numeric, 5) * power(2::numeric, least(p_attempt - 1, 30)))
       * (0.5 + 0.5 * random())::numeric;

-- functions/core/retry_run.sql
-- Retry: a new run of the same template version with the same parameters, retry_of pointing at the ended one. For a
-- pipeline that did not succeed: a new pipeline run in which the tasks that succeeded are not run again; the children
-- that depend on them take their outputs from the old runs. For one that did: a whole new one.
-- A run that waits because its rerun is unsafe, or because a rule holds it, goes on itself: a person has now decided.
-- The same key with the same body again answers the same run, with `repeated: true`.
--   p_body {idempotency_key?, failed_only?, template?, checked?}; failed_only false: of a pipeline that did not
--          succeed, too, all tasks anew; template 'latest': the newest version (see ops.rerun), 'same' or none: the
--          one it had; checked: what that version makes of the parameters
-- Returns the Run. Raises OPU01, OPU02, OPN01, OPC03, OPC05 (it has not ended, is a task of a pipeline run that waits,
-- or is being retried), OPC12 (see ops.rerun), OPV01, OPV02.
create or replace function ops.retry_run(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token  ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id uuid       := ops.resolve_run(p_token_id, p_ref);
  v_digest bytea      := ops.digest(coalesce(p_body, '{}') - 'checked' || jsonb_build_object('retry_of', v_run_id));
  v_latest boolean    := coalesce(p_body ->> 'template' = 'latest', false);
  v_run    ops.runs;
  v_found  uuid;
begin
  if jsonb_typeof(p_body -> 'failed_only') not in ('boolean', 'null') then
    perform ops.invalid('/failed_only', 'must be true or false');
  elsif p_body ->> 'template' not in ('same', 'latest') then
    perform ops.invalid('/template', 'must be same or latest');
  end if;
  select * into v_run from ops.runs r where r.run_id = v_run_id;
  v_found := ops.repeated_submit(v_run.workspace, p_body ->> 'idempotency_key', v_digest);
  if v_found is not null then
    return ops.run_json(v_found) || '{"repeated": true}';
  end if;
  perform ops.gather_ready(true);
  perform ops.lock_tries(array[v_run_id]);
  select * into v_run from ops.runs r where r.run_id = v_run_id for update;
  if v_run.state = 'waiting' and v_run.state_reason in ('rerun_unsafe', 'held_by_rule') then
    if v_latest then
      perform ops.invalid('/template', format('run %s goes on itself, with version %s', v_run.number,
        v_run.template_version), 'Cancel it first; the cancelled run can be retried with the newest version.');
    end if;
    perform ops.enqueue(array[v_run_id], 'operator:' || v_token.name);
    insert into ops.retry_requests (workspace, idempotency_key, request_digest, run_id, created_at)
    select v_run.workspace, p_body ->> 'idempotency_key', v_digest, v_run_id, ops.now()
     where p_body ->> 'idempotency_key' is not null;
    perform ops.notify_gathered();
    return ops.run_json(v_run_id);
  elsif not ops.is_terminal(v_run.state) then
    perform ops.fail('OPC05', format('run %s is %s', v_run.number, v_run.state),
                     jsonb_build_object('state', v_run.state),
                     'Retry a run that has ended; cancel this one first.');
  end if;
  perform ops.check_not_held(v_run);
  perform ops.check_not_retried(v_run);
  v_found := ops.rerun(v_run, p_body ->> 'idempotency_key', jsonb_build_object(
    'workspace', v_run.workspace, 'submitted_by', v_token.name, 'retry_of', v_run_id,
    'digest', encode(v_digest, 'hex')), coalesce((p_body ->> 'failed_only')::boolean, true), v_latest,
    nullif(p_body -> 'checked', 'null'));
  perform ops.notify_gathered();
  return ops.run_json(v_found);  -- a statement of its own, which sees the new run
end
$$;

-- functions/core/reusable_run.sql
-- The latest run that did the work of this key and whose every trace is still there: artifacts within their retention,
-- and published data that no other run published over since. One that added to a table, or that left tables which its
-- engine wrote by itself, is none: whether those still stand as it left them is not on record. Null without one.
create or replace function ops.reusable_run(p_reuse_key bytea) returns uuid
language sql stable
return (
  select r.run_id from ops.runs r
   where r.reuse_key = p_reuse_key and r.state = 'succeeded' and r.reused_from is null
     and not exists (select from ops.artifacts a
                      where a.run_id = r.run_id
                        and (a.state = 'expired'
                             or (a.state = 'visible' and (a.table_ref is not null
                                                          or a.expires_at < ops.now() + interval '1 minute'))))
     and not exists (select from ops.publications p
                      where p.run_id = r.run_id
                        and (p.state = 'recorded' or (p.state = 'committed' and (p.mode = 'append' or exists (
                               select from ops.publications o
                                where o.uri = p.uri and o.state = 'committed' and o.committed_at > p.committed_at)))))
   order by r.finished_at desc limit 1);

-- functions/core/reuse_each.sql
-- Mutate and emit: of runs that are ready for the first time, those whose template reuses what was done for the same
-- inputs. Each gets its reuse key; one that may reuse, and for which the work was done, ends with that: succeeded, for
-- the reason `reused`, without an attempt, with the result of the run that it names. Paused runs are left as they are.
-- The caller holds their locks. Returns the runs that ended; the caller settles those.
create or replace function ops.reuse_each(p_run_ids uuid[], p_actor text) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_run   ops.runs;
  v_by    ops.runs;
  v_ended uuid[] := '{}';
begin
  for v_run in
    select r.* from ops.runs r join ops.templates t on t.template_id = r.template_id
     where r.run_id = any (p_run_ids) and t.spec ->> 'reuse' = 'same_inputs' and r.epoch = 0 and not r.paused
     order by r.run_id
  loop
    update ops.runs set reuse_key = ops.reuse_key(v_run) where run_id = v_run.run_id returning * into v_run;
    continue when not v_run.may_reuse;
    select * into v_by from ops.runs r where r.run_id = ops.reusable_run(v_run.reuse_key);
    continue when v_by.run_id is null;
    perform ops.finish_run(v_run.run_id, 'succeeded', 'reused', p_actor, null, v_by.result,
                           jsonb_build_object('reused_from', v_by.run_id, 'number', v_by.number));
    update ops.runs set reused_from = v_by.run_id where run_id = v_run.run_id;
    v_ended := v_ended || v_run.run_id;
  end loop;
  return v_ended;
end
$$;

-- functions/core/reuse_key.sql
-- What a template that says `reuse: same_inputs` calls the same: its version by digest (with the bundle in it), the
-- parameters, where outputs lie, and the inputs by what they are: a table's address and version, a file's digest.
create or replace function ops.reuse_key(p_run ops.runs) returns bytea
language sql stable
return ops.digest(jsonb_build_object(
  'workspace', (p_run).workspace,
  'template', (select t.digest from ops.templates t where t.template_id = (p_run).template_id),
  'params', (p_run).params,
  'outputs', (p_run).outputs,
  'inputs', (select coalesce(jsonb_agg(i.value - 'from_run_id' - 'artifact_id' order by i.value ->> 'name'), '[]')
               from jsonb_array_elements((p_run).inputs) i)));

-- functions/core/revoke.sql
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

-- functions/core/revoke_one.sql
-- Mutate and emit: a step of the sweep (ops.sweep_each): nobody obeyed the run's cancellation. Answers {ended}.
create or replace function ops.revoke_one(p_run_id uuid, p_actor text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_run ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id;
  perform ops.revoke(v_run, p_actor);
  return jsonb_build_object('ended', jsonb_build_array(p_run_id));
end
$$;

-- functions/core/route_decision.sql
-- Decide, change nothing: what follows an attempt that ended without success. Returns {decision, reason, delay|null}:
--   finish   reason cancelled | not_retryable | attempts_exhausted | expirations_exhausted | rule
--   escalate a routing rule says so: as finish, and somebody is told
--   wait     a person decides: reason rerun_unsafe | rule
--   retry    after `delay` seconds (0: at once)
-- A run that an executor gave back (ops.is_released) has not failed: no retry policy ends it, but a rule still holds.
-- One that an operator took back (ops.requeue_run) is tried again whatever classes its template has tried again.
create or replace function ops.route_decision(p_run ops.runs, p_spec jsonb, p_outcome text, p_error jsonb) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_spec     jsonb   := ops.own_retry(p_spec, p_run.retry);
  v_class    text    := coalesce(p_error ->> 'class', 'internal');
  v_released boolean := ops.is_released(p_outcome, p_error);
  v_requeued boolean := p_outcome = 'expired' and p_error ->> 'code' = 'requeued';
  v_rule     ops.routing_rules;
begin
  if p_outcome = 'cancelled' or p_run.cancel_requested_at is not null then
    return '{"decision": "finish", "reason": "cancelled"}';
  end if;
  select * into v_rule from ops.routing_rules u
   where u.enabled and coalesce(u.workspace, p_run.workspace) = p_run.workspace
     and coalesce(u.template_name, p_run.template_name) = p_run.template_name
     and coalesce(u.outcome, p_outcome) = p_outcome and coalesce(u.error_class, v_class) = v_class
   order by u.position, u.rule_id limit 1;
  if v_rule.rule_id is not null then
    return jsonb_build_object('decision', v_rule.decision, 'reason', 'rule', 'rule_id', v_rule.rule_id,
                              'notify', v_rule.notify);
  elsif not v_released and not v_requeued and not ops.retry_classes(v_spec) ? v_class then
    return '{"decision": "finish", "reason": "not_retryable"}';
  elsif not v_released and p_run.expirations >= ops.setting_number('max_expirations') then
    return '{"decision": "finish", "reason": "expirations_exhausted"}';
  elsif p_run.attempt >= p_run.max_attempts then
    return '{"decision": "finish", "reason": "attempts_exhausted"}';
  elsif p_spec ->> 'rerun' in ('unsafe', 'checked') then
    -- `checked` wants a probe before the next attempt; there is none yet, so a person looks instead
    return '{"decision": "wait", "reason": "rerun_unsafe"}';
  elsif ops.is_unsure(p_outcome, p_error) and p_spec ->> 'rerun' is null and ops.unfenced_path(p_run) is not null then
    -- what was written by a path that is not fenced would be written twice
    return '{"decision": "wait", "reason": "rerun_unsafe"}';
  end if;
  return jsonb_build_object('decision', 'retry',
                            'reason', format('%s error, attempt %s of %s', v_class, p_run.attempt, p_run.max_attempts),
                            'delay', round(ops.retry_delay(v_spec -> 'retry', p_run.attempt), 3));
end
$$;

-- functions/core/route_run.sql
-- Mutate and emit: carry out what ops.route_decision says of an attempt that ended without success. The caller holds
-- the run's lock, has ended the attempt, and settles the run if `ended` says so. p_at_once: a retry without backoff.
-- Returns the contract's route {decision, reason, retry_at|null} plus {ended: bool}.
create or replace function ops.route_run(
  p_run_id uuid, p_outcome text, p_error jsonb, p_actor text, p_result jsonb default null,
  p_told jsonb default null, p_at_once boolean default false)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_run      ops.runs;
  v_decision jsonb;
  v_retry_at timestamptz;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id;
  v_decision := ops.route_decision(v_run, (select t.spec from ops.templates t where t.template_id = v_run.template_id),
                                   p_outcome, p_error);
  if v_decision ->> 'decision' in ('finish', 'escalate') then
    perform ops.finish_run(p_run_id, case when v_decision ->> 'reason' = 'cancelled' then 'cancelled' else 'failed' end,
                           v_decision ->> 'reason', p_actor, p_error, p_result, coalesce(p_told, '{}'));
    if v_decision ->> 'decision' = 'escalate' then
      perform ops.emit(p_run_id, 'run.escalated', null, p_actor, v_decision);
    end if;
  else
    if p_told is not null then
      perform ops.emit(p_run_id, 'attempt.reported', v_run.epoch, p_actor, p_told);
    end if;
    delete from ops.leases where run_id = p_run_id;
    if v_run.concurrency_key is not null then
      perform ops.announce_freed(array[ops.key_of(v_run.workspace, v_run.concurrency_key)]);
    end if;
    v_retry_at := ops.now() + ops.seconds(case when p_at_once then 0 else 1 end * (v_decision ->> 'delay')::numeric);
    perform ops.put_back(p_run_id, v_decision ->> 'decision', v_decision ->> 'reason', v_retry_at, p_actor);
  end if;
  return jsonb_build_object('decision', v_decision ->> 'decision', 'reason', v_decision ->> 'reason',
                            'retry_at', ops.iso(v_retry_at),
                            'ended', v_decision ->> 'decision' in ('finish', 'escalate'));
end
$$;

-- functions/core/run_verdict.sql
-- ops.condition_verdict of one run, from its parents as they stand now.
create or replace function ops.run_verdict(p_run_id uuid, p_condition text) returns text
language sql stable
return (
  select ops.condition_verdict(p_condition, count(*),
           count(*) filter (where p.state in ('succeeded', 'failed', 'cancelled', 'skipped')),
           count(*) filter (where p.state = 'succeeded'),
           count(*) filter (where p.state in ('failed', 'cancelled')))
    from ops.run_dependencies d join ops.runs p on p.run_id = d.depends_on
   where d.run_id = p_run_id);

-- functions/core/sample_usage.sql
-- Mutate: what succeeded attempts used stands first among their templates' samples, twenty of each unit.
create or replace function ops.sample_usage(p_leases ops.ended_lease[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  insert into ops.usage_samples as s (workspace, template_name, unit, samples)
  select r.workspace, r.template_name, x.unit, (array_agg(x.used order by r.run_id desc))[1:20]
    from unnest(p_leases) l
    join ops.attempts a on a.run_id = l.run_id and a.epoch = l.epoch and a.outcome = 'succeeded'
   cross join lateral (select u.run_id, u.workspace, u.template_name from ops.runs u where u.run_id = l.run_id offset 0) r
    join ops.budget_ledger e on e.run_id = l.run_id and e.epoch = l.epoch and e.entry = 'settled'
   cross join lateral (
     select distinct on (b.unit) b.unit, y.used from unnest(e.lines) y join ops.budgets b on b.budget_id = y.budget_id
      where b.unit not in ('runs', 'concurrency') order by b.unit) x
   group by r.workspace, r.template_name, x.unit
   order by r.workspace, r.template_name, x.unit
  on conflict (workspace, template_name, unit) do update set samples = (excluded.samples || s.samples)[1:20];
end
$$;

-- functions/core/seconds.sql
-- Seconds as an interval.
create or replace function ops.seconds(p_seconds numeric) returns interval
language sql immutable parallel safe
return make_interval(secs => p_seconds::double precision);

-- functions/core/seen.sql
-- Mutate: these executors have just been heard of. Not more often than every five seconds: the row is hot.
create or replace function ops.seen(p_executor_ids uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if not exists (select from ops.executors e where e.executor_id = any (p_executor_ids)
                    and e.last_seen_at < ops.now() - interval '5 seconds') then
    return;
  end if;
  update ops.executors set last_seen_at = ops.now()
   where executor_id in (select e.executor_id from ops.executors e
                          where e.executor_id = any (p_executor_ids)
                            and e.last_seen_at < ops.now() - interval '5 seconds'
                          order by e.executor_id for update skip locked);
end
$$;

-- functions/core/set_paused.sql
-- Mutate and emit: pause or resume these locked runs, where that changes anything; those that have ended or are
-- publishing stay. Returns the runs changed, in run-id order.
create or replace function ops.set_paused(p_run_ids uuid[], p_paused boolean, p_reason text, p_actor text)
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_changed uuid[];
begin
  v_changed := array(
    select r.run_id from ops.runs r
     where r.run_id = any (p_run_ids) and r.paused <> p_paused and not ops.is_terminal(r.state)
       and r.state_reason is distinct from 'publishing' order by r.run_id);
  update ops.runs set paused = p_paused where run_id = any (v_changed);
  perform ops.append_events(v_changed, case when p_paused then 'run.paused' else 'run.resumed' end, p_actor,
    array(select jsonb_build_object('reason', p_reason) from unnest(v_changed)));
  return v_changed;
end
$$;

-- functions/core/setting.sql
-- A setting's value as JSON; null when nobody set it.
create or replace function ops.setting(p_key text) returns jsonb
language sql stable parallel safe
return (select s.value from ops.settings s where s.key = p_key);

-- functions/core/setting_number.sql
-- A setting's value as a number; null when nobody set it.
create or replace function ops.setting_number(p_key text) returns numeric
language sql stable parallel safe
return (select (s.value #>> '{}')::numeric from ops.settings s where s.key = p_key);

-- functions/core/settle.sql
-- Mutate: what follows from runs having ended: dependents are unblocked or skipped, level by level, and pipelines
-- derive their state. The caller has finished the runs in this transaction and holds their locks.
--
-- Lock order of the schema: concurrency keys by key, then runs by run_id, pipeline runs after all others. Everything
-- below the ended runs is locked in one statement, before any statement that reads parents: of two siblings ending at
-- once the second waits here, and then sees the first.
create or replace function ops.settle(p_run_ids uuid[], p_actor text) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_below     uuid[] := '{}';
  v_more      uuid[] := ops.descendants(p_run_ids);
  v_level     uuid[] := p_run_ids;
  v_ended     uuid[] := p_run_ids;
  v_pipelines uuid[];
begin
  if coalesce(cardinality(p_run_ids), 0) = 0 then
    return;
  end if;
  -- until nothing came below them while we waited for a lock
  while not v_more <@ v_below loop
    v_below := v_more;
    perform from ops.runs r where r.run_id = any (v_below) and r.state = 'waiting'
      order by r.kind = 'pipeline', r.run_id for update;
    v_more := ops.descendants(p_run_ids);
  end loop;
  while cardinality(v_below) > 0 and cardinality(v_level) > 0 loop
    v_level := ops.unblock(
      array(select d.run_id from ops.run_dependencies d where d.depends_on = any (v_level)), p_actor);
    v_ended := v_ended || v_level;
  end loop;

  v_pipelines := array(select distinct r.pipeline_run_id from ops.runs r
                        where r.run_id = any (v_ended) and r.pipeline_run_id is not null);
  if cardinality(v_pipelines) > 0 then
    perform ops.settle(ops.derive_pipelines(v_pipelines, p_actor), p_actor);
  end if;
end
$$;

-- functions/core/settle_at_commit.sql
-- Trigger, deferred: the first of a transaction's settles for all of them.
create or replace function ops.settle_at_commit() returns trigger
language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off
  set jit = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  perform ops.settle_budgets('{}');
  return null;
end
$$;

-- functions/core/settle_budgets.sql
-- Mutate: the leases that ended in this transaction give back what they reserved, and what they used is counted:
-- entries in the ledger, one change to each balance, samples for the next estimates, warnings. The balances of p_more
-- are locked along, for a caller that goes on with them. Called for what is left when the transaction commits.
create or replace function ops.settle_budgets(p_more ops.budget_line[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_leases ops.ended_lease[];
  v_lines  ops.budget_line[];
begin
  with due as (delete from ops.budget_dues d where d.xid = pg_current_xact_id() returning d.leases)
  select array_agg(l) into v_leases from due cross join lateral unnest(due.leases) l;
  if v_leases is null then
    if cardinality(p_more) > 0 then
      perform ops.lock_balances(p_more);
    end if;
    return;
  end if;

  with ended as materialized (
    select l.run_id, l.epoch, l.reserved, coalesce(l.usage, '{}') || a.usage as usage, a, r.kind
      from unnest(v_leases) l
     cross join lateral (select u.kind from ops.runs u where u.run_id = l.run_id offset 0) r
      join ops.attempts a on a.run_id = l.run_id and a.epoch = l.epoch
  ), entered as (
    insert into ops.budget_ledger (run_id, epoch, entry, lines, at)
    select e.run_id, e.epoch, case when (e.a).reported_at is null then 'released' else 'settled' end,
           array(select row(x.budget_id, x.period_start, x.reserved,
                            ops.used_of(g.unit, e.kind, e.usage, e.a))::ops.budget_line
                   from unnest(e.reserved) x join ops.budgets g on g.budget_id = x.budget_id order by x.budget_id),
           ops.now()
      from ended e
    returning lines
  )
  select array_agg(l) into v_lines from entered cross join lateral unnest(entered.lines) l;
  perform ops.lock_balances(p_more || v_lines);
  perform ops.count_used(v_lines);
  perform ops.sample_usage(v_leases);
end
$$;

-- functions/core/share_out.sql
-- Lock runs for claims of one filter, and say which claim gets which: the first its max_runs, then the next. p_but:
-- runs picked for other filters; to its own transaction a locked run is still there to be had.
create or replace function ops.share_out(p_claims ops.member_claim[], p_but uuid[]) returns ops.member_start[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_executor ops.executors;
  v_picked   uuid[];
begin
  select * into v_executor from ops.executors e where e.executor_id = p_claims[1].executor_id;
  v_picked := ops.pick_runs(v_executor, p_claims[1].queues, (select sum(c.max_runs)::int from unnest(p_claims) c),
                            p_but);
  return array(
    select row(s.ordinal, s.executor_id, v_picked[s.place], null, null, null)::ops.member_start
      from (select c.ordinal, c.executor_id, row_number() over (order by c.ordinal, g) as place
              from unnest(p_claims) c cross join lateral generate_series(1, c.max_runs) g) s
     where s.place <= cardinality(v_picked) order by s.place);
end
$$;

-- functions/core/skip_tasks.sql
-- Mutate and emit: the tasks of a pipeline that is skipped are skipped with it. Returns them.
create or replace function ops.skip_tasks(p_pipeline_run_id uuid, p_actor text) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_tasks uuid[] := array(select r.run_id from ops.runs r
                           where r.pipeline_run_id = p_pipeline_run_id and r.state = 'waiting' order by r.run_id);
  v_task  uuid;
begin
  foreach v_task in array v_tasks loop
    perform ops.finish_run(v_task, 'skipped', 'condition_not_met', p_actor);
  end loop;
  return v_tasks;
end
$$;

-- functions/core/split_keys.sql
-- Texts of ops.key_of as workspace and key again, in key order, each once: the order in which keys are locked.
create or replace function ops.split_keys(p_keys text[]) returns table (workspace text, key text)
language sql immutable parallel safe set search_path = ''
as $$
  select distinct split_part(k, chr(31), 1), substr(k, strpos(k, chr(31)) + 1) from unnest(p_keys) k order by 1, 2
$$;

-- functions/core/start_pipelines.sql
-- Mutate and emit: the pipelines of runs that have started are running too. Once for all of a statement: pipelines are
-- locked after all other runs, in one go.
create or replace function ops.start_pipelines(p_started ops.member_start[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_pipelines uuid[] := array(select distinct s.pipeline_run_id from unnest(p_started) s
                               where s.pipeline_run_id is not null);
begin
  if cardinality(v_pipelines) = 0 then
    return;
  end if;
  v_pipelines := array(select r.run_id from ops.runs r where r.run_id = any (v_pipelines) and r.state = 'waiting');
  if cardinality(v_pipelines) > 0 then
    perform ops.derive_pipelines(v_pipelines, 'executor');
  end if;
end
$$;

-- functions/core/start_runs.sql
-- Mutate and emit: runs start at the executors of the claims that they were picked for: epoch and attempt rise, a lease
-- and an attempt are made, one statement for all. Returns them in their order, with epochs and pipelines, which are the
-- caller's (ops.start_pipelines). The runs are locked since an earlier statement, and changed at their place, see
-- ops.report_plain.
create or replace function ops.start_runs(p_starts ops.member_start[]) returns ops.member_start[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_now     timestamptz := ops.now();
  v_at      text := ops.iso(v_now);
  v_started ops.member_start[];
begin
  if cardinality(p_starts) = 0 then
    return '{}';
  end if;
  with picked as materialized (
    select s.ordinal, s.n, s.reserved, s.executor_id, r.run_id, r.pipeline_run_id, r.epoch + 1 as epoch, r.attempt + 1 as attempt,
           r.event_seq + 1 as seq, r.event_head as prev_hash, r.place as run_at,
           greatest(r.event_xid, pg_current_xact_id()) as xid,
           ops.canonical_text(r.run_id, r.event_seq + 1, v_at, 'run.started', r.epoch + 1, 'executor:' || e.name,
             concat('{"state": "running", "attempt": ', r.attempt + 1, ', "executor_id": "', s.executor_id,
                    '", "state_reason": null}')) as canonical
      from unnest(p_starts) with ordinality s (ordinal, executor_id, run_id, epoch, pipeline_run_id, reserved, n)
      join ops.executors e on e.executor_id = s.executor_id
     cross join lateral (select u.*, u.ctid as place from ops.runs u where u.run_id = s.run_id offset 0) r
  ), hashed as materialized (
    select p.*, sha256(p.prev_hash || convert_to(p.canonical, 'UTF8')) as hash from picked p
  ), started as (
    update ops.runs r set
      state = 'running', state_reason = null, ready_seq = null, epoch = h.epoch, attempt = h.attempt,
      executor_id = h.executor_id, started_at = coalesce(r.started_at, v_now), progress = null,
      event_seq = h.seq, event_head = h.hash, event_xid = h.xid
      from hashed h where r.ctid = h.run_at
    returning r.run_id, r.epoch, r.attempt, r.executor_id, r.lease_seconds, r.workspace, r.concurrency_key, h.reserved
  ), attempted as (
    insert into ops.attempts (run_id, epoch, attempt, executor_id, started_at)
    select s.run_id, s.epoch, s.attempt, s.executor_id, v_now from started s
  ), leased as (
    insert into ops.leases (run_id, epoch, executor_id, lease_seconds, lease_deadline, heartbeat_at, workspace,
        concurrency_key, reserved)
    select s.run_id, s.epoch, s.executor_id, s.lease_seconds, v_now + ops.seconds(s.lease_seconds), v_now,
           s.workspace, s.concurrency_key, s.reserved from started s
  ), written as (
    insert into ops.events (run_id, seq, at, type, epoch, canonical, prev_hash, hash, xid)
    select h.run_id, h.seq, v_now, 'run.started', h.epoch, h.canonical, h.prev_hash, h.hash, h.xid from hashed h
  )
  select array_agg(row(h.ordinal, h.executor_id, h.run_id, h.epoch, h.pipeline_run_id, h.reserved)::ops.member_start order by h.n)
    into v_started from hashed h;
  return v_started;
end
$$;

-- functions/core/steer_executor.sql
-- Mutate: bring an executor into the state active, paused or draining; the same state again changes nothing. When this
-- has answered, an executor that is not active starts no run any more. Returns the Executor.
-- Raises OPU01, OPU02, OPN03, OPC05 (it drains: that cannot be undone), OPC09 (it has left), OPV01.
create or replace function ops.steer_executor(p_token_id uuid, p_ref text, p_state text, p_body jsonb) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_token    ops.tokens := ops.require(p_token_id, array['operator']);
  v_reason   text       := ops.checked_reason(p_body);
  v_executor ops.executors;
begin
  if p_state <> 'active' then
    perform ops.find_executor(v_token, p_ref);  -- the gate closes for nobody who may not
    perform ops.close_gate();
  end if;
  v_executor := ops.lock_executor(v_token, p_ref);
  if v_executor.state = 'draining' and p_state <> 'draining' then
    perform ops.fail('OPC05', format('executor %s drains and will leave', v_executor.number),
      jsonb_build_object('state', v_executor.state), 'Start another one.');
  elsif v_executor.state <> p_state then
    update ops.executors set state = p_state, state_at = ops.now(), state_by = v_token.name, state_reason = v_reason
     where executor_id = v_executor.executor_id returning * into v_executor;
    if p_state = 'draining' then
      perform ops.tell_orders(array[v_executor.executor_id]);
    elsif p_state = 'active' then
      perform ops.notify_ready(null);  -- which of the claims that wait is its own, nobody here knows
    end if;
  end if;
  return ops.executor_json(v_executor, v_token.workspaces);
end
$$;

-- functions/core/steps_guarded.sql
-- See ops.sweep_each. p_settle: each step settles what it ended.
create or replace function ops.steps_guarded(p_steps text[], p_run_ids uuid[], p_actor text, p_settle boolean)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_step record;
  v_one  jsonb;
  v_done jsonb := '[]';
begin
  for v_step in select t.name, t.run_id from unnest(p_steps, p_run_ids) with ordinality t (name, run_id, n) order by t.n
  loop
    begin
      execute format('select ops.%I($1, $2)', v_step.name) into v_one using v_step.run_id, p_actor;
      if p_settle then
        perform ops.settle(array(select jsonb_array_elements_text(v_one -> 'ended')::uuid), p_actor);
      end if;
      v_done := v_done || (v_one || jsonb_build_object('run_id', v_step.run_id));
    exception when others then
      perform ops.pass_over(sqlstate, sqlerrm, format('%s run_id=%s', v_step.name, v_step.run_id));
    end;
  end loop;
  return v_done;
end
$$;

-- functions/core/submit_digest.sql
-- What identifies a submit: its body as it was sent, without what the server found when it checked it.
create or replace function ops.submit_digest(p_body jsonb) returns bytea
language sql stable parallel safe
return ops.digest(p_body - 'checked');

-- functions/core/submit_each.sql
-- Submit many runs of many callers, in one transaction: what every submit of the operator plane becomes.
--   p_members [{ordinal, token_id, body, whole?, recorded_only?}]; ordinals differ; body as for ops.submit_run;
--   recorded_only, of all members or none: nothing is submitted, and who is not on record gets no row
-- Returns a row for each member: (ordinal, code, detail), see ops.member_answer; detail {run_id, number, state,
-- repeated}, with `whole` the Run (and `repeated`). A member's refusal is its own. Raises only what no member is to
-- blame for: then nothing was submitted, and the caller sends them one by one.
--
-- Three ways, each for what the one before left: keys that are on record, plain runs in one statement, the rest one by
-- one. Lock order: idempotency keys of workspaces, then as ops.submit_one.
-- p_patience_ms: how long to wait for a lock; then 55P03, and nothing has changed. Null: as long as the session does.
-- p_gather: ordinal -3, detail "kind:count,…", holds what became claimable, which is then not notified; and ordinal -1,
-- when runs were submitted for a later time, the seconds until the first one's.
create or replace function ops.submit_each(
  p_members jsonb, p_patience_ms int default null, p_gather boolean default false)
returns setof ops.member_answer
language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan
  set enable_seqscan = off set jit = off set enable_bitmapscan = off
as $$
declare
  v_answers ops.member_answer[];
  v_left    jsonb;
  v_plain   record;
begin
  if p_patience_ms is not null then
    perform set_config('lock_timeout', p_patience_ms::text, true);
  end if;
  perform ops.gather_ready(true);
  perform ops.lock_request_keys(w.workspace, w.alone) from (
    select coalesce(m #>> '{body,workspace}', 'default') as workspace, bool_or(ops.keeps_key_alone(m -> 'body')) as alone
      from jsonb_array_elements(p_members) m
     where m #>> '{body,idempotency_key}' is not null group by 1 order by 1) w;
  v_answers := ops.submits_on_record(p_members);
  v_left := case when p_members #> '{0,recorded_only}' = 'true' then '[]'
                 else ops.unanswered(p_members, v_answers) end;
  select * into v_plain from ops.submit_plain_guarded(v_left);
  v_answers := v_answers || v_plain.answers;
  v_answers := v_answers || ops.submit_singly(ops.unanswered(v_left, v_plain.answers), v_plain.ready);
  return query
    select a.ordinal, a.code, case when a.code is null and x.whole then ops.submitted_whole(a.detail) else a.detail end
      from unnest(v_answers) a
      join (select (m ->> 'ordinal')::int as ordinal, coalesce((m ->> 'whole')::boolean, false) as whole
              from jsonb_array_elements(p_members) m) x on x.ordinal = a.ordinal;
  if p_gather then
    return query select -3, null::text, told from ops.gathered_ready() told where told is not null;
    if jsonb_path_exists(p_members, '$[*].body.not_before') then
      return query select -1, null::text, due::text from ops.next_due() due where due is not null;
    end if;
  else
    perform ops.notify_gathered();
  end if;
end
$$;

-- functions/core/submit_guarded.sql
-- One submit of a batch that is not plain, with its refusal as a value. `made`: the run, when it is new.
create or replace function ops.submit_guarded(
  p_token_id uuid, p_body jsonb, out code text, out detail text, out made uuid[])
language plpgsql volatile set search_path = ''
as $$
declare
  v_one     record;
  v_message text;
  v_members text;
  v_hint    text;
begin
  select * into v_one from ops.submit_one(ops.require(p_token_id, array['operator']), p_body);
  made := case when v_one.repeated then '{}' else array[v_one.run_id] end;
  detail := (select ops.submitted_answer(r.run_id, r.number, r.state, v_one.repeated) from ops.runs r
              where r.run_id = v_one.run_id);
exception when others then
  get stacked diagnostics code = returned_sqlstate, v_message = message_text, v_members = pg_exception_detail,
                          v_hint = pg_exception_hint;
  select r.p_code, r.detail into code, detail from ops.refusal(code, v_message, v_members, v_hint) r;
  made := '{}';
end
$$;

-- functions/core/submit_new.sql
-- Mutate and emit: a new run for a submit whose keys are free. See ops.submit_one.
create or replace function ops.submit_new(p_token ops.tokens, p_workspace text, p_body jsonb, p_digest bytea)
returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_template ops.templates := ops.find_template(p_workspace, p_body ->> 'template',
                                                (p_body ->> 'template_version')::int);
  v_body     jsonb := ops.checked_body(v_template, p_body);
  v_parents  jsonb := ops.named_parents(p_token, p_workspace, v_template, v_body);
begin
  perform ops.check_pipeline_submit(v_template, v_body);
  return ops.submit_template(v_template, v_body, jsonb_build_object(
    'workspace', p_workspace, 'submitted_by', p_token.name, 'digest', encode(p_digest, 'hex')), v_parents,
    p_templates => coalesce(p_body #> '{checked,tasks}', '{}'));
end
$$;

-- functions/core/submit_one.sql
-- Mutate and emit: what ops.submit_run does, for a token that may. Returns the run and whether it was on record before.
-- Claims are not told: the caller announces what became ready.
--
-- Two submits with one idempotency key at once: the index lets one through, and the other finds it. Requests that use
-- keys without making a run take turns with all of these (see ops.repeated_submit); a submit that may do so too, since
-- it may be answered with the holder of its dedupe key, takes its idempotency key alone. Lock order: idempotency keys
-- of the workspace, dedupe key, concurrency keys, runs.
create or replace function ops.submit_one(p_token ops.tokens, p_body jsonb, out run_id uuid, out repeated boolean)
language plpgsql volatile set search_path = ''
as $$
declare
  v_workspace text  := coalesce(p_body ->> 'workspace', 'default');
  v_digest    bytea := ops.submit_digest(p_body);
  v_key       text;
begin
  perform ops.check_submit(p_body);
  perform ops.check_workspace(p_token, v_workspace);
  if p_body ->> 'idempotency_key' is not null then
    perform ops.lock_request_keys(v_workspace, ops.keeps_key_alone(p_body));
  end if;
  if p_body ->> 'dedupe_key' is not null then
    perform pg_advisory_xact_lock(ops.dedupe_lock(p_body));
    if p_body ->> 'on_conflict' = 'replace' then  -- which cancels a run, after the keys of the new one
      perform ops.lock_planned_keys(ops.keys_of_submits(jsonb_build_array(
        jsonb_build_object('token_id', p_token.token_id, 'body', p_body))), false);
    end if;
  end if;
  loop
    run_id := ops.repeated_submit(v_workspace, p_body ->> 'idempotency_key', v_digest, false);
    repeated := run_id is not null;
    if not repeated then
      run_id := ops.deduplicated(p_token, v_workspace, p_body, v_digest);
      repeated := run_id is not null;
    end if;
    exit when repeated;
    if p_body ->> 'idempotency_key' is null then
      run_id := ops.submit_new(p_token, v_workspace, p_body, v_digest);
      return;
    end if;
    begin
      run_id := ops.submit_new(p_token, v_workspace, p_body, v_digest);
      return;
    exception when unique_violation then
      get stacked diagnostics v_key = constraint_name;
      if v_key <> 'runs_idempotency' then
        raise;
      end if;
    end;
  end loop;
end
$$;

-- functions/core/submit_plain.sql
-- Mutate and emit: the plain submits of a batch (see ops.is_plain_submit) in one statement: one insert for the runs,
-- one for their events. The rest is left alone, as is what another request with its idempotency key was faster with.
-- Returns their answers, and in which queues they stand ready, which the caller announces.
--
-- Members of one kin have token, workspace, template and asked version in common, and whether they wait for their time:
-- what follows from these is read once, and the canonical event is printed once, with a mark where the run_id and the
-- digest of the parameters go.
create or replace function ops.submit_plain(
  p_members jsonb, out answers ops.member_answer[], out ready ops.ready_place[])
language plpgsql volatile set search_path = '' set enable_seqscan = off set jit = off set enable_bitmapscan = off
  set enable_nestloop = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan
as $$
declare
  v_now  timestamptz := ops.now();
  v_zero bytea := decode(repeat('00', 32), 'hex');
  v_born text  := left(ops.uuid7()::text, 15);  -- the time and the version of a UUIDv7
  v_run  uuid  := gen_random_uuid();
  v_mark text  := encode(sha256(uuid_send(gen_random_uuid())), 'hex');
begin
  -- a transaction id before the first nextval: move_floor tells open writers by it
  perform pg_current_xact_id();
  with sent as materialized (
    select (m ->> 'ordinal')::int as ordinal, b as body, m ->> 'token_id' as token_id,
           coalesce(b ->> 'workspace', 'default') as workspace, b ->> 'template' as template,
           (b ->> 'template_version')::int as asked, b ->> 'idempotency_key' as key,
           (b ->> 'not_before')::timestamptz as not_before,
           coalesce((b ->> 'not_before')::timestamptz > v_now, false) as later
      from jsonb_array_elements(p_members) m cross join lateral (select m -> 'body' as b offset 0) x
     where ops.is_plain_submit(b)
  ), grouped as materialized (
    select s.*, dense_rank() over (order by s.token_id, s.workspace, s.template, s.asked, s.later) as kin,
           row_number() over (partition by s.workspace, s.key order by s.ordinal) as nth_of_key
      from sent s
  ), kins as materialized (
    select g.kin, k.name as submitted_by, case when g.later then 'waiting' else 'queued' end as state,
           case when g.later then 'not_before' end as state_reason, t.*,
           ops.canonical_event(v_run, 1, v_now, 'run.submitted', 0, 'operator:' || k.name, jsonb_build_object(
             'state', case when g.later then 'waiting' else 'queued' end,
             'state_reason', case when g.later then 'not_before' end, 'template', t.name,
             'template_version', t.version, 'template_digest', t.digest, 'params_digest', v_mark,
             'retry_of', null)) as canonical
      from (select distinct on (kin) kin, token_id, workspace, template, asked, later from grouped) g
      join ops.tokens k on k.token_id = g.token_id::uuid and k.role = 'operator' and ops.token_is_live(k)
                       and (k.workspaces is null or g.workspace = any (k.workspaces))
     cross join lateral ops.plain_template(g.workspace, g.template, g.asked) t
  ), fit as materialized (
    select g.ordinal, g.body, g.key, g.workspace, g.not_before, k.kin, k.canonical,
           case when k.state = 'queued' then nextval('ops.ready_seq') end as ready_seq,
           nextval('ops.runs_number_seq') as number,
           -- the place in the batch instead of the fraction of a millisecond, then chance
           (v_born || lpad(to_hex(row_number() over (order by g.ordinal) & 4095), 3, '0')
             || substr(gen_random_uuid()::text, 19))::uuid as run_id,
           coalesce(g.body #> '{checked,params}', k.defaults || coalesce(g.body -> 'params', '{}')) as params
      from (select * from grouped order by ordinal) g
      join kins k on k.kin = g.kin and k.version = coalesce((g.body #>> '{checked,template_version}')::int, k.version)
     where (g.key is null or (g.nth_of_key = 1 and (
             select q.run_id from ops.retry_requests q
              where q.workspace = g.workspace and q.idempotency_key = g.key limit 1) is null))
       and (k.required = '{}' or coalesce(g.body #> '{checked,params}', k.defaults || coalesce(g.body -> 'params', '{}'))
                                 ?& k.required)
  ), told as materialized (
    select f.*, replace(replace(f.canonical, v_run::text, f.run_id::text), v_mark, encode(ops.digest(f.params), 'hex'))
             as event from fit f
  ), hashed as materialized (
    select t.*, sha256(v_zero || convert_to(t.event, 'UTF8')) as hash from told t
  ), made as (
    insert into ops.runs (
      run_id, number, workspace, template_id, template_name, template_version, kind, params, outputs, labels, caps,
      cap_rules, max_attempts, lease_seconds, requires, deadline, idempotency_key, request_digest, traceparent, submitted_by,
      submitted_at, priority, queue, not_before, ready_seq, queued_at, state, state_reason, event_seq, event_head)
    overriding system value
    select h.run_id, h.number, h.workspace, k.template_id, k.name, k.version, k.kind, h.params, k.outputs,
           case when h.body ? 'labels' then k.labels || (h.body -> 'labels') else k.labels end, k.caps,
           k.cap_rules, coalesce((h.body ->> 'max_attempts')::int, k.max_attempts),
           coalesce((h.body ->> 'lease_seconds')::int, k.lease_seconds), k.requires,
           (h.body ->> 'deadline')::timestamptz, h.key, case when h.key is not null then ops.submit_digest(h.body) end,
           h.body ->> 'traceparent', k.submitted_by, v_now, coalesce((h.body ->> 'priority')::int, k.priority),
           coalesce(h.body ->> 'queue', k.queue), h.not_before, h.ready_seq,
           case when k.state = 'queued' then v_now end, k.state, k.state_reason, 1, h.hash
      from hashed h join kins k on k.kin = h.kin
     order by h.workspace, h.key  -- in one order, so that two batches with the same keys take turns
    on conflict (workspace, idempotency_key) where idempotency_key is not null do nothing
    returning run_id, number, state, queue, kind, priority
  ), written as (
    insert into ops.events (run_id, seq, at, type, epoch, canonical, prev_hash, hash)
    select h.run_id, 1, v_now, 'run.submitted', 0, h.event, v_zero, h.hash
      from hashed h join made m on m.run_id = h.run_id
  )
  select coalesce(array_agg(row(h.ordinal, null,
           ops.submitted_answer(m.run_id, m.number, m.state, false))::ops.member_answer), '{}'),
         array(select row(r.queue, r.kind, r.priority, count(*))::ops.ready_place from made r
                where r.state = 'queued' group by r.queue, r.kind, r.priority)
    into answers, ready from made m join hashed h on h.run_id = m.run_id;
end
$$;

-- functions/core/submit_plain_guarded.sql
-- ops.submit_plain; when one member's value breaks the statement for all (a time that is none), nothing of it remains,
-- and all are left to the one-by-one way, where that member fails alone.
create or replace function ops.submit_plain_guarded(
  p_members jsonb, out answers ops.member_answer[], out ready ops.ready_place[])
language plpgsql volatile set search_path = ''
as $$
begin
  select p.answers, p.ready into answers, ready from ops.submit_plain(p_members) p;
exception when data_exception or integrity_constraint_violation then
  answers := '{}';
  ready := '{}';
end
$$;

-- functions/core/submit_run.sql
-- Submit a run, or a pipeline run with its children. Returns the Run; with `repeated: true` when it was on record: the
-- idempotency key was seen with the same body, or the dedupe key was held and on_conflict is `return`.
--   p_body {template, template_version?, workspace?, params, priority?, queue?, not_before?, deadline?, labels?,
--           idempotency_key?, dedupe_key?, on_conflict?: error|return|replace, concurrency_key?, concurrency_limit?,
--           depends_on?: [{run: run_id or number, inputs?: {input: output}}], condition?,
--           checked?: {template_version, params: with the defaults filled in, tasks?: {task key: template_id}}, no part
--           of what identifies it,
--           max_attempts?, retry?: {backoff_seconds?, backoff_max_seconds?, on?}, lease_seconds?, caps?, traceparent?}
-- Raises OPU01, OPU02, OPN02, OPN07, OPV01, OPV02, OPV05, OPX01, OPC03, OPC11, OPC12.
create or replace function ops.submit_run(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan
  set enable_seqscan = off set jit = off set enable_bitmapscan = off
as $$
declare
  v_made record;
begin
  perform ops.gather_ready(true);
  select * into v_made from ops.submit_one(ops.require(p_token_id, array['operator']), p_body);
  if not v_made.repeated then
    perform ops.announce(array[v_made.run_id]);
  end if;
  perform ops.notify_gathered();
  return ops.run_json(v_made.run_id) || case when v_made.repeated then '{"repeated": true}'::jsonb else '{}' end;
end
$$;

-- functions/core/submit_singly.sql
-- Mutate and emit: the submits of a batch that are not plain, one by one, each refusal its member's own. Then all that
-- became ready is announced once: these runs, and what stands ready in p_ready.
create or replace function ops.submit_singly(p_members jsonb, p_ready ops.ready_place[])
returns ops.member_answer[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_member  jsonb;
  v_one     record;
  v_answers ops.member_answer[] := '{}';
  v_made    uuid[] := '{}';
begin
  if jsonb_array_length(p_members) > 1 then
    perform pg_advisory_xact_lock(k.lock) from (
      select distinct ops.dedupe_lock(m -> 'body') as lock from jsonb_array_elements(p_members) m
       where m #>> '{body,dedupe_key}' is not null order by 1) k;
    perform ops.lock_planned_keys(ops.keys_of_submits(p_members), false);
    perform from ops.runs r where r.run_id = any (ops.parents_of_submits(p_members)) order by r.run_id for share;
  end if;
  for v_member in select m from jsonb_array_elements(p_members) m order by (m ->> 'ordinal')::int loop
    v_one := ops.submit_guarded((v_member ->> 'token_id')::uuid, v_member -> 'body');
    v_answers := v_answers || row((v_member ->> 'ordinal')::int, v_one.code, v_one.detail)::ops.member_answer;
    v_made := v_made || v_one.made;
  end loop;
  perform ops.announce_all(v_made, p_ready);
  return v_answers;
end
$$;

-- functions/core/submit_template.sql
-- Mutate and emit: a run of a template, with its children when it is a pipeline. See ops.create_run for the arguments.
-- Parents that have ended are taken at their word now, in a statement after the one that locked them; what was done for
-- the same inputs is looked for. Claims are not told of the run: the caller announces it.
create or replace function ops.submit_template(
  p_template ops.templates, p_body jsonb, p_place jsonb, p_depends jsonb default '[]', p_keep jsonb default '{}',
  p_templates jsonb default '{}')
returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_run_id uuid;
  v_actor  text := 'operator:' || (p_place ->> 'submitted_by');
begin
  if p_template.kind = 'pipeline' then
    perform ops.lock_planned_keys(ops.planned_keys(p_template, p_body, p_templates), p_place ? 'rerun');
  end if;
  v_run_id := ops.create_run(p_template, p_body, p_place, p_depends);
  if p_template.kind = 'pipeline' then
    perform ops.create_tasks(v_run_id, p_template.spec -> 'tasks', p_body, p_place, p_keep, p_templates);
  end if;
  if p_depends <> '[]' or p_template.spec ->> 'reuse' = 'same_inputs' then
    perform ops.settle(ops.unblock(array[v_run_id], v_actor), v_actor);
  end if;
  return v_run_id;
end
$$;

-- functions/core/submits_on_record.sql
-- Answers for the members of a batch whose idempotency key is on record with the same body. Those of tokens that may
-- not, and those with another body, are left to ops.submit_one, which says so. The caller holds the key locks.
create or replace function ops.submits_on_record(p_members jsonb) returns ops.member_answer[]
language plpgsql volatile set search_path = '' set enable_seqscan = off set jit = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  return array(
    with sent as materialized (
      select (m ->> 'ordinal')::int as ordinal, (m ->> 'token_id')::uuid as token_id, m -> 'body' as body,
             coalesce(m #>> '{body,workspace}', 'default') as workspace, m #>> '{body,idempotency_key}' as key
        from jsonb_array_elements(p_members) m where m #>> '{body,idempotency_key}' is not null
    ), known as materialized (
      select s.*, coalesce(
               (select r.run_id from ops.runs r
                 where r.workspace = s.workspace and r.idempotency_key = s.key limit 1),
               (select q.run_id from ops.retry_requests q
                 where q.workspace = s.workspace and q.idempotency_key = s.key limit 1)) as run_id
        from sent s
    )
    select row(k.ordinal, null, ops.submitted_answer(r.run_id, r.number, r.state, true))::ops.member_answer
      from known k
      cross join lateral (select * from ops.runs x where x.run_id = k.run_id offset 0) r
     where k.run_id is not null
       and coalesce(case when r.idempotency_key = k.key then r.request_digest end,
                    (select q.request_digest from ops.retry_requests q
                      where q.workspace = k.workspace and q.idempotency_key = k.key limit 1)) = ops.submit_digest(k.body)
       and (select true from ops.tokens t
             where t.token_id = k.token_id and t.role = 'operator' and ops.token_is_live(t)
               and (t.workspaces is null or k.workspace = any (t.workspaces)) limit 1));
end
$$;

-- functions/core/submitted_answer.sql
-- What a member of ops.submit_each is answered, as JSON text.
create or replace function ops.submitted_answer(p_run_id uuid, p_number bigint, p_state text, p_repeated boolean)
returns text
language sql immutable parallel safe
return '{"run_id": "' || p_run_id::text || '", "number": ' || p_number::text || ', "state": "' || p_state
       || '", "repeated": ' || p_repeated::text || '}';

-- functions/core/submitted_whole.sql
-- The Run behind an answer of ops.submit_each, with its `repeated`, as JSON text.
create or replace function ops.submitted_whole(p_detail text) returns text
language sql stable set search_path = ''
as $$
  select (ops.run_json((p_detail::jsonb ->> 'run_id')::uuid)
          || case when (p_detail::jsonb ->> 'repeated')::boolean then '{"repeated": true}'::jsonb else '{}' end)::text
$$;

-- functions/core/substitute.sql
-- Replace {params.x} in every string of a JSON value. A string that is nothing but one reference takes the parameter's
-- value with its type; inside a longer string the value is written as text. Raises OPV02 for an unknown parameter.
create or replace function ops.substitute(p_value jsonb, p_params jsonb, p_path text default '') returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  v_text text;
  v_name text;
begin
  case jsonb_typeof(p_value)
    when 'object' then
      return (select coalesce(jsonb_object_agg(e.key, ops.substitute(e.value, p_params, p_path || '/' || e.key)), '{}')
                from jsonb_each(p_value) e);
    when 'array' then
      return (select coalesce(jsonb_agg(
                       ops.substitute(e.value, p_params, p_path || '/' || (e.n - 1)) order by e.n), '[]')
                from jsonb_array_elements(p_value) with ordinality e (value, n));
    when 'string' then
      v_text := p_value #>> '{}';
      v_name := substring(v_text from '^\{params\.([A-Za-z0-9_-]+)\}$');
      if v_name is not null then
        perform ops.check_param(p_params, v_name, p_path);
        return p_params -> v_name;
      end if;
      for v_name in select m[1] from regexp_matches(v_text, '\{params\.([A-Za-z0-9_-]+)\}', 'g') m loop
        perform ops.check_param(p_params, v_name, p_path);
        v_text := replace(v_text, '{params.' || v_name || '}', p_params ->> v_name);
      end loop;
      return to_jsonb(v_text);
    else
      return p_value;
  end case;
end
$$;

-- functions/core/succeeded_tasks.sql
-- The tasks of a pipeline run whose work is done, as {task key: run_id}: its own succeeded children, and those that it
-- had itself taken over from the pipeline run that it retried.
create or replace function ops.succeeded_tasks(p_pipeline_run_id uuid) returns jsonb
language plpgsql stable set search_path = ''
as $$
begin
  return (
    with recursive line (run_id, depth) as (
      select p_pipeline_run_id, 0
      union all
      select r.retry_of, l.depth + 1 from line l join ops.runs r on r.run_id = l.run_id
        join ops.runs p on p.run_id = r.retry_of
       where p.state <> 'succeeded' and l.depth < 100
    ), newest as (
      select distinct on (c.task_key) c.task_key, c.run_id, c.state
        from line l join ops.runs c on c.pipeline_run_id = l.run_id
       order by c.task_key, l.depth)
    select coalesce(jsonb_object_agg(n.task_key, n.run_id), '{}') from newest n where n.state = 'succeeded');
end
$$;

-- functions/core/sweep_each.sql
-- Mutate and emit: a sweep's steps, each of a locked run: p_steps[n] names the function that is done to p_run_ids[n].
-- A step is ops.<name>(run_id uuid, actor text) and answers {ended: [run_id], …}; runs that ended are settled, once
-- for all. A step that raises changes nothing and is passed over (ops.pass_over); if what follows from the ends
-- raises, every step is taken again with its own consequences, so that one run's do not undo the others'.
-- Returns the answers of the steps done, with run_id added.
create or replace function ops.sweep_each(p_steps text[], p_run_ids uuid[], p_actor text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_done jsonb;
begin
  if cardinality(p_run_ids) = 0 then
    return '[]';
  end if;
  begin
    v_done := ops.steps_guarded(p_steps, p_run_ids, p_actor, false);
    perform ops.settle(array(select e::uuid from jsonb_array_elements(v_done) d
                               cross join jsonb_array_elements_text(d -> 'ended') e), p_actor);
    return v_done;
  exception when others then
    perform ops.pass_over(sqlstate, sqlerrm, 'what follows from the ends of a sweep');
  end;
  return ops.steps_guarded(p_steps, p_run_ids, p_actor, true);
end
$$;

-- functions/core/sweeper_back.sql
-- When the sweeper came back from the last pause that counts for a lease of this length: one longer than the time
-- between two renewals. Such a lease has its whole length from then. Long ago when there was none.
create or replace function ops.sweeper_back(p_lease_seconds int) returns timestamptz
language sql stable set search_path = ''
as $$
  select coalesce(max(g.ended_at), '-infinity') from ops.sweeper_gaps g where g.seconds > p_lease_seconds / 3.0
$$;

-- functions/core/sweeper_resumed.sql
-- Mutate: note that the sweeper runs now; a pause longer than the setting sweeper_gap_seconds is remembered, and the
-- first run ever ends one without a beginning. Sweepers take turns by the duty's row lock.
create or replace function ops.sweeper_resumed() returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_now timestamptz := ops.now();
  v_ran timestamptz;
begin
  insert into ops.duties (name, ran_at) values ('expire_leases', '-infinity') on conflict do nothing;
  select u.ran_at into v_ran from ops.duties u where u.name = 'expire_leases' for update;
  if v_ran = '-infinity' or v_now - v_ran > ops.seconds(ops.setting_number('sweeper_gap_seconds')) then
    delete from ops.sweeper_gaps where ended_at < v_now - interval '3 hours';
    insert into ops.sweeper_gaps (ended_at, seconds)
    values (v_now, case when v_ran = '-infinity' then 'infinity' else extract(epoch from v_now - v_ran) end)
    on conflict do nothing;
  end if;
  update ops.duties set ran_at = greatest(v_now, v_ran) where name = 'expire_leases';
end
$$;

-- functions/core/take_back.sql
-- Mutate and emit: take a running run from its executor for another try: the epoch rises, the attempt is expired with
-- p_error, the run is routed, without a backoff unless p_at_once is false. It counts as an expiration, unless the
-- executor gave the run back itself (ops.is_released): then the attempt costs nothing, and the run may have one more.
-- The caller holds the run's lock, and settles what ended. p_told: what the event says beside.
-- Answers {ended: [run_id], epoch, decision}, as a step of ops.sweep_each.
create or replace function ops.take_back(
  p_run_id uuid, p_error jsonb, p_actor text, p_told jsonb, p_at_once boolean default true)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_lease ops.leases;
  v_more  jsonb := '{}';
  v_route jsonb;
begin
  select * into v_lease from ops.leases l where l.run_id = p_run_id for update;
  update ops.attempts set outcome = 'expired', finished_at = ops.now(), error = p_error, metrics = v_lease.metrics,
      usage = coalesce(v_lease.usage, '{}')
   where run_id = p_run_id and epoch = v_lease.epoch;
  update ops.artifacts set state = 'orphaned', orphaned_at = ops.now()
   where run_id = p_run_id and epoch = v_lease.epoch and state in ('begun', 'recorded');
  if ops.is_released('expired', p_error) then
    update ops.runs set epoch = epoch + 1, max_attempts = max_attempts + 1 where run_id = p_run_id
    returning jsonb_build_object('max_attempts', max_attempts) into v_more;
  else
    update ops.runs set epoch = epoch + 1, expirations = expirations + 1 where run_id = p_run_id;
  end if;

  perform ops.emit(p_run_id, 'attempt.expired', v_lease.epoch, p_actor, p_told || v_more || jsonb_build_object(
    'executor_id', v_lease.executor_id, 'lease_deadline', ops.iso(v_lease.lease_deadline)));
  v_route := ops.route_run(p_run_id, 'expired', p_error, p_actor, null, null, p_at_once);
  return jsonb_build_object('epoch', v_lease.epoch, 'decision', v_route -> 'decision',
    'ended', case when (v_route ->> 'ended')::boolean then jsonb_build_array(p_run_id) else '[]' end);
end
$$;

-- functions/core/take_capped_one.sql
-- Mutate and emit: a step of the sweep (ops.sweep_each): an executor did not stop a run that passed a cap; it is taken
-- from it; see ops.take_back. The caller holds run and lease.
create or replace function ops.take_capped_one(p_run_id uuid, p_actor text) returns jsonb
language sql volatile set search_path = ''
as $$
  select ops.take_back(p_run_id, jsonb_build_object('class', 'resources', 'code', 'cap_exceeded',
           'message', ops.caps_text(jsonb_build_array(ops.cap_entry_json(e))) || '; its executor did not stop it'),
           p_actor, '{}', false)
    from ops.leases l join ops.cap_ledger e on e.run_id = l.run_id and e.epoch = l.epoch and e.layer = 'control_room'
                                           and e.action <> 'warned'
   where l.run_id = p_run_id order by e.entry_id limit 1
$$;

-- functions/core/take_duty.sql
-- Mutate: whether a duty of the sweeper is due, which is so when it last ran p_seconds ago and nobody is at it; it has
-- run now, then. `place` is where it left off. Locks the duty until the transaction ends.
create or replace function ops.take_duty(p_name text, p_seconds numeric, out due boolean, out place text)
language plpgsql volatile set search_path = ''
as $$
begin
  select u.place into place from ops.duties u
   where u.name = p_name and u.ran_at <= ops.now() - ops.seconds(p_seconds) for update skip locked;
  due := found;
  if due then
    update ops.duties set ran_at = ops.now() where name = p_name;
  end if;
end
$$;

-- functions/core/task_dependencies.sql
-- A task's parents as ops.create_run takes them. p_runs: {task key: run_id}.
create or replace function ops.task_dependencies(p_task jsonb, p_runs jsonb) returns jsonb
language plpgsql stable set search_path = ''
as $$
begin
  return (
  select coalesce(jsonb_agg(jsonb_build_object('depends_on', p_runs ->> parent, 'inputs', (
           select coalesce(jsonb_object_agg(i.key, substring(i.value from '^[^.]*\.(.*)$')), '{}')
             from jsonb_each_text(coalesce(nullif(p_task -> 'inputs', 'null'), '{}')) i
            where split_part(i.value, '.', 1) = parent))), '[]')
    from unnest(ops.task_parents(p_task)) parent);
end
$$;

-- functions/core/task_order.sql
-- The keys of a pipeline's tasks, parents before children, then by name. Raises OPV05 for a cycle, a task that
-- depends on one that does not exist, and a pipeline without tasks.
create or replace function ops.task_order(p_tasks jsonb) returns text[]
language plpgsql immutable set search_path = ''
as $$
declare
  v_done text[] := '{}';
  v_next text[];
  v_bad  record;
begin
  if jsonb_typeof(p_tasks) is distinct from 'object' or p_tasks = '{}' then
    perform ops.fail('OPV05', 'a pipeline needs at least one task', '{}', 'Give `tasks` as an object.');
  end if;
  select t.key as task, d as parent into v_bad
    from jsonb_each(p_tasks) t, unnest(ops.task_parents(t.value)) d where not p_tasks ? d limit 1;
  if found then
    perform ops.fail('OPV05', format('task %s depends on %s, which is no task of this pipeline', v_bad.task,
        v_bad.parent));
  end if;
  loop
    v_next := array(select t.key from jsonb_each(p_tasks) t
                     where t.key <> all (v_done) and ops.task_parents(t.value) <@ v_done order by t.key);
    exit when cardinality(v_next) = 0;
    v_done := v_done || v_next;
  end loop;
  if cardinality(v_done) < (select count(*) from jsonb_object_keys(p_tasks)) then
    perform ops.fail('OPV05', 'the tasks depend on each other in a circle: '
      || (select string_agg(k, ', ' order by k) from jsonb_object_keys(p_tasks) k where k <> all (v_done)));
  end if;
  return v_done;
end
$$;

-- functions/core/task_parents.sql
-- The tasks that a task waits for: those it depends on and those whose outputs it reads.
create or replace function ops.task_parents(p_task jsonb) returns text[]
language sql immutable parallel safe
return array(
  select jsonb_array_elements_text(coalesce(nullif(p_task -> 'depends_on', 'null'), '[]'))
  union
  select split_part(i.value, '.', 1) from jsonb_each_text(coalesce(nullif(p_task -> 'inputs', 'null'), '{}')) i);

-- functions/core/task_reproduced.sql
-- The run that a task of a pipeline's reproduction does again: the task of that key, else (it was kept from another
-- pipeline run) the pipeline itself: what it makes lies beside in any case.
create or replace function ops.task_reproduced(p_pipeline_run_id uuid, p_task_key text) returns uuid
language sql stable
return coalesce((select c.run_id from ops.runs c
                  where c.pipeline_run_id = p_pipeline_run_id and c.task_key = p_task_key), p_pipeline_run_id);

-- functions/core/task_template.sql
-- The template version of a task: the one pinned before (repair), else the one it names. Raises OPN02, OPV05.
create or replace function ops.task_template(p_workspace text, p_key text, p_task jsonb, p_template_id text)
returns ops.templates
language plpgsql stable set search_path = ''
as $$
declare
  v_template ops.templates;
begin
  if p_template_id is not null then
    select * into v_template from ops.templates t where t.template_id = p_template_id::uuid;
  else
    v_template := ops.find_template(p_workspace, p_task ->> 'template', (p_task ->> 'template_version')::int);
  end if;
  if v_template.kind = 'pipeline' then
    perform ops.fail('OPV05', format('task %s: a pipeline cannot be a task of a pipeline', p_key));
  end if;
  return v_template;
end
$$;

-- functions/core/tell_orders.sql
-- Emit: executors have something to hear that a heartbeat tells them. p_executor_ids: which; null: all may have, nobody
-- counted. The payload is their ids, divided by commas, in several notifications where they are many.
create or replace function ops.tell_orders(p_executor_ids uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if p_executor_ids is null then
    perform pg_notify('ops_orders', '');
    return;
  end if;
  perform pg_notify('ops_orders', string_agg(x.executor_id::text, ',' order by x.executor_id))
    from (select d.executor_id, (row_number() over (order by d.executor_id) - 1) / 100 as part
            from (select distinct i.executor_id from unnest(p_executor_ids) i (executor_id)
                   where i.executor_id is not null) d) x
   group by x.part;
end
$$;

-- functions/core/tell_ready.sql
-- Notify other processes of runs that became claimable, gathered over several transactions that have committed.
--   p_ready "kind:count,…", as ops.exchange_each and ops.submit_each give it
--   p_from  who tells: by it the teller knows its own word
create or replace function ops.tell_ready(p_ready text, p_from text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  -- nobody waits for the disk: what is told is on record already, and nobody's answer depends on it
  perform set_config('synchronous_commit', 'off', true);
  perform pg_notify('ops_ready', p_ready || ';' || p_from);
end
$$;

-- functions/core/tighten_caps.sql
-- The caps of a new run: what is in force for the template, tightened by what the submit asks. A submit may tighten,
-- never loosen: OPX01 with {cap, limit, observed}. OPV01 for what is no cap, see ops.check_cap_value. Returns {cap:
-- limit} of those that end something; for the rest see ops.tighten_rules.
create or replace function ops.tighten_caps(p_workspace text, p_template_name text, p_template jsonb, p_asked jsonb)
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_force jsonb := ops.effective_caps(p_workspace, p_template_name, ops.cap_limits(p_template));
  v_asked jsonb;
  v_ask   record;
begin
  for v_ask in select * from jsonb_each(coalesce(p_asked, '{}')) loop
    perform ops.check_cap_value('/caps/' || v_ask.key, v_ask.key, v_ask.value);
  end loop;
  v_asked := ops.cap_limits(p_asked);
  for v_ask in select * from jsonb_each(v_asked) loop
    if v_ask.value::text::numeric > (v_force ->> v_ask.key)::numeric then
      perform ops.fail('OPX01', format('%s: %s is above the limit of %s', v_ask.key, v_ask.value,
          v_force ->> v_ask.key),
        jsonb_build_object('cap', v_ask.key, 'limit', v_force -> v_ask.key, 'observed', v_ask.value),
        'A run can tighten a cap, never loosen it.');
    end if;
  end loop;
  return v_force || v_asked;
end
$$;

-- functions/core/tighten_rules.sql
-- What the caps of a new run say beside their limits: those of the template's own, tightened by those of its pipeline
-- or of the run that it repeats (p_inherited) and by what the submit asks. A submit asks for no weaker action and no
-- longer grace than what is in force: OPX01 with {cap, limit, observed}. Null when nothing is said.
create or replace function ops.tighten_rules(
  p_workspace text, p_template_name text, p_template jsonb, p_asked jsonb, p_inherited jsonb, p_limits jsonb)
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_own   jsonb := ops.cap_rules(p_template);
  v_asked jsonb := ops.cap_rules(p_asked);
  v_force jsonb;
  v_ask   record;
  v_due   text;
begin
  if v_asked is not null then
    v_force := ops.effective_rules(p_workspace, p_template_name, v_own, p_inherited);
    for v_ask in select a.key, a.value, v_force -> a.key as force from jsonb_each(v_asked) a loop
      v_due := coalesce(v_ask.force ->> 'action', case when p_limits ? v_ask.key then 'cancel' end);
      if ops.cap_strength(v_ask.value ->> 'action') < ops.cap_strength(v_due) then
        perform ops.fail('OPX01', format('%s: %s is weaker than %s', v_ask.key, v_ask.value ->> 'action', v_due),
          jsonb_build_object('cap', v_ask.key, 'limit', v_due, 'observed', v_ask.value -> 'action'),
          'A run can tighten a cap, never loosen it.');
      elsif (v_ask.value ->> 'grace_seconds')::numeric > (v_ask.force ->> 'grace_seconds')::numeric then
        perform ops.fail('OPX01', format('%s: a grace of %s s is longer than %s s', v_ask.key,
            v_ask.value ->> 'grace_seconds', v_ask.force ->> 'grace_seconds'),
          jsonb_build_object('cap', v_ask.key, 'limit', v_ask.force -> 'grace_seconds',
                             'observed', v_ask.value -> 'grace_seconds'),
          'A run can tighten a cap, never loosen it.');
      end if;
    end loop;
  end if;
  if v_asked is null and p_inherited is null then
    return v_own;
  end if;
  return nullif(ops.tightest_rules(ops.tightest_rules(v_own, p_inherited), v_asked), '{}');
end
$$;

-- functions/core/tightest.sql
-- For each cap the lesser of two: {cap: limit}; a cap that only one names is taken from there.
create or replace function ops.tightest(p_one jsonb, p_other jsonb) returns jsonb
language sql stable parallel safe
return (
  select coalesce(jsonb_object_agg(x.cap, x.least), '{}') from (
    select y.cap, min(y.value) as least from (
      select o.key as cap, o.value::numeric as value from jsonb_each_text(coalesce(nullif(p_one, 'null'), '{}')) o
      union all
      select o.key, o.value::numeric from jsonb_each_text(coalesce(nullif(p_other, 'null'), '{}')) o) y
     group by y.cap) x);

-- functions/core/tightest_rules.sql
-- The tighter of two {cap: {action, grace_seconds, warn}}, member by member; see ops.effective_rules.
create or replace function ops.tightest_rules(p_one jsonb, p_other jsonb) returns jsonb
language sql immutable parallel safe
return (
  select coalesce(jsonb_object_agg(x.cap, x.rule), '{}') from (
    select o.key as cap, jsonb_strip_nulls(jsonb_build_object(
             'action', ('{cut,cancel,kill}'::text[])[max(ops.cap_strength(o.value ->> 'action'))],
             'grace_seconds', min((o.value ->> 'grace_seconds')::numeric),
             'warn', min((o.value ->> 'warn')::numeric))) as rule
      from (values (p_one), (p_other)) g (rules) cross join lateral jsonb_each(coalesce(g.rules, '{}')) o
     group by o.key) x);

-- functions/core/told_rules.sql
-- Limits and what holds beside them (ops.effective_rules) as the contract has them: {cap: {limit, action,
-- grace_seconds, warn}} of the caps of which anything is said; limit null where the cap only warns.
create or replace function ops.told_rules(p_caps jsonb, p_rules jsonb) returns jsonb
language sql immutable parallel safe
return (
  select jsonb_object_agg(r.key, jsonb_build_object(
           'limit', p_caps -> r.key,
           'action', case when p_caps ? r.key then coalesce(r.value ->> 'action', 'cancel') end,
           'grace_seconds', r.value -> 'grace_seconds', 'warn', r.value -> 'warn'))
    from jsonb_each(p_rules) r);

-- functions/core/transitions.sql
-- Every allowed change of state: rows (entity, from_state, to_state). From '' means created in that state.
-- Triggers enforce it (below), STATE_MACHINE.md draws it, a test holds the three together.
create or replace function ops.transitions()
returns table (entity text, from_state text, to_state text)
language sql immutable parallel safe set search_path = ''
as $$
  values
    ('run', '', 'waiting'), ('run', '', 'queued'),
    ('run', 'waiting', 'queued'), ('run', 'waiting', 'running'),
    ('run', 'waiting', 'succeeded'), ('run', 'waiting', 'failed'), ('run', 'waiting', 'cancelled'),
    ('run', 'waiting', 'skipped'),
    ('run', 'queued', 'running'), ('run', 'queued', 'waiting'), ('run', 'queued', 'failed'), ('run', 'queued', 'cancelled'),
    ('run', 'running', 'queued'), ('run', 'running', 'waiting'), ('run', 'running', 'succeeded'),
    ('run', 'running', 'failed'), ('run', 'running', 'cancelled'),
    ('attempt', '', 'running'),
    ('attempt', 'running', 'succeeded'), ('attempt', 'running', 'failed'), ('attempt', 'running', 'cancelled'),
    ('attempt', 'running', 'expired'), ('attempt', 'running', 'capped'),
    ('publication', '', 'recorded'),
    ('publication', 'recorded', 'committed'), ('publication', 'recorded', 'failed'),
    ('artifact', '', 'begun'), ('artifact', '', 'recorded'),
    ('artifact', 'begun', 'recorded'), ('artifact', 'begun', 'orphaned'),
    ('artifact', 'recorded', 'visible'), ('artifact', 'recorded', 'orphaned'), ('artifact', 'visible', 'expired')
$$;

-- functions/core/unanswered.sql
-- The members of a batch without an answer yet, in their order.
create or replace function ops.unanswered(p_members jsonb, p_answers ops.member_answer[]) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_done int[] := array(select a.ordinal from unnest(p_answers) a);
begin
  if cardinality(v_done) = 0 then
    return p_members;
  elsif cardinality(v_done) = jsonb_array_length(p_members) then
    return '[]';
  end if;
  return (select coalesce(jsonb_agg(m order by (m ->> 'ordinal')::int), '[]') from jsonb_array_elements(p_members) m
           where (m ->> 'ordinal')::int <> all (v_done));
end
$$;

-- functions/core/unblock.sql
-- Mutate: look again at runs that wait for their parents. Ready ones get their inputs and go to the queue (or go on
-- waiting for their time); those whose condition can no longer hold are skipped; one whose succeeded parent left no
-- such output fails. A pipeline lets its first tasks go, or takes all its tasks along; a task that is ready while its
-- pipeline waits for other runs waits with it. What was done already for the same inputs is not done again
-- (ops.reuse_each). The caller has locked them in run-id order in an earlier statement, so
-- the parents read here are no older than the lock. Returns the runs that ended; the caller settles those.
create or replace function ops.unblock(p_run_ids uuid[], p_actor text) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_run     record;
  v_inputs  jsonb;
  v_ready   uuid[] := '{}';
  v_ended   uuid[] := '{}';
  v_reused  uuid[];
begin
  for v_run in
    select r.run_id, r.kind, r.not_before, r.pipeline_run_id, ops.run_verdict(r.run_id, r.condition) as verdict from ops.runs r
     where r.run_id = any (p_run_ids) and r.state = 'waiting' and r.state_reason = 'waiting_on_dependency'
     order by r.run_id
  loop
    -- taken along by its pipeline a moment ago
    continue when v_run.run_id = any (v_ended);
    if v_run.verdict = 'never' then
      perform ops.finish_run(v_run.run_id, 'skipped', 'condition_not_met', p_actor);
      v_ended := v_ended || v_run.run_id || ops.skip_tasks(v_run.run_id, p_actor);
    elsif v_run.verdict = 'ready' and v_run.kind = 'pipeline' then
      v_ready := v_ready || ops.free_tasks(v_run.run_id, p_actor);
    elsif v_run.verdict = 'ready' then
      v_inputs := ops.resolve_inputs(v_run.run_id);
      if v_inputs -> 'missing' <> '[]' then
        perform ops.finish_run(v_run.run_id, 'failed', 'input_missing', p_actor,
            ops.missing_input_error(v_inputs -> 'missing'));
        v_ended := v_ended || v_run.run_id;
      else
        update ops.runs set inputs = v_inputs -> 'inputs'
         where run_id = v_run.run_id and v_inputs -> 'inputs' <> '[]';
        if v_run.pipeline_run_id is not null and exists (
             select from ops.runs p where p.run_id = v_run.pipeline_run_id and p.state_reason = 'waiting_on_dependency') then
          update ops.runs set state_reason = 'waiting_on_pipeline' where run_id = v_run.run_id;
          perform ops.emit(v_run.run_id, 'run.waiting', null, p_actor);
        elsif v_run.not_before > ops.now() then
          update ops.runs set state_reason = 'not_before' where run_id = v_run.run_id;
          perform ops.emit(v_run.run_id, 'run.waiting', null, p_actor, jsonb_build_object('not_before',
              ops.iso(v_run.not_before)));
        else
          v_ready := v_ready || v_run.run_id;
        end if;
      end if;
    end if;
  end loop;

  v_reused := ops.reuse_each(v_ready, p_actor);
  perform ops.enqueue(array(select x.run_id from unnest(v_ready) with ordinality x (run_id, n)
                             where x.run_id <> all (v_reused) order by x.n), p_actor);
  return v_ended || v_reused;
end
$$;

-- functions/core/unblock_one.sql
-- Mutate and emit: a step of the sweep (ops.sweep_each): ops.unblock of one run. Answers {ended}.
create or replace function ops.unblock_one(p_run_id uuid, p_actor text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
begin
  return jsonb_build_object('ended', to_jsonb(ops.unblock(array[p_run_id], p_actor)));
end
$$;

-- functions/core/unfenced_path.sql
-- By which write path the executor that has a run, or had it last, may have written what a repetition writes once more:
-- one that it declared `at_least_once` (capabilities.writes; every word but `fenced` counts so) and the run uses.
-- `engine`, by which the engine itself writes, is used by every run but one whose template says config.read_only (its
-- executor refuses to write then), one that bears the name of the template's config.adapter by its runs, another by the
-- outputs of that format. Null: all are fenced, as is what is published
-- by the contract's own way while nobody declared otherwise.
create or replace function ops.unfenced_path(p_run ops.runs) returns text
language sql stable set search_path = ''
as $$
  select w.key
    from ops.executors e
   cross join lateral jsonb_each(case when jsonb_typeof(e.capabilities -> 'writes') = 'object'
                                       then e.capabilities -> 'writes' end) w
   where e.executor_id = p_run.executor_id and w.value <> '"fenced"'
     and (w.key = 'engine' and not ops.is_read_only(p_run)
       or w.key = (select t.spec #>> '{config,adapter}' from ops.templates t where t.template_id = p_run.template_id)
       or exists (select from jsonb_array_elements(p_run.outputs) o where o ->> 'format' = w.key))
   order by w.key limit 1
$$;

-- functions/core/unheeded_cancels.sql
-- Lock: runs whose cancellation was asked for longer ago than a lease and the grace, and whose executor has not obeyed,
-- and their leases, without waiting and but p_but.
create or replace function ops.unheeded_cancels(p_limit int, p_but uuid[]) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_now   timestamptz := ops.now();
  v_grace interval    := ops.seconds(ops.setting_number('cancel_grace_seconds'));
begin
  return array(
    select r.run_id from ops.runs r join ops.leases l on l.run_id = r.run_id
     where r.state = 'running' and r.cancel_requested_at is not null and r.kind <> 'pipeline'
       and r.state_reason is distinct from 'publishing' and r.run_id <> all (p_but)
       and greatest(r.cancel_requested_at, ops.sweeper_back(r.lease_seconds)) + ops.seconds(r.lease_seconds) + v_grace < v_now
     order by r.run_id limit p_limit for update of r, l skip locked);
end
$$;

-- functions/core/unheeded_caps.sql
-- Lock: runs that were told to stop because a cap was passed longer ago than a lease and the grace, and whose executor
-- has not obeyed, and their leases, without waiting and but p_but.
create or replace function ops.unheeded_caps(p_limit int, p_but uuid[]) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_now   timestamptz := ops.now();
  v_grace interval    := ops.seconds(ops.setting_number('cancel_grace_seconds'));
begin
  return array(
    select r.run_id from ops.cap_ledger e
      join ops.leases l on l.run_id = e.run_id and l.epoch = e.epoch and l.reported_at is null
      join ops.runs r on r.run_id = l.run_id
     where e.layer = 'control_room' and e.action <> 'warned' and r.cancel_requested_at is null and r.run_id <> all (p_but)
       and greatest(e.at, ops.sweeper_back(r.lease_seconds)) + ops.seconds(r.lease_seconds) + v_grace < v_now
     order by r.run_id limit p_limit for update of r, l skip locked);
end
$$;

-- functions/core/usage_number.sql
-- A figure of a usage as a number from 0; null when it is none.
create or replace function ops.usage_number(p_usage jsonb, p_unit text) returns numeric
language sql immutable parallel safe
return case when jsonb_typeof(p_usage -> p_unit) = 'number' then greatest(0, (p_usage ->> p_unit)::numeric) end;

-- functions/core/used_of.sql
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

-- functions/core/uuid7.sql
-- A UUIDv7: 48 bits of Unix milliseconds, 12 bits of the fraction of that millisecond, 62 random bits.
-- Our own, because PostgreSQL has one only from 18 on. The real clock, not ops.now(): identity is not a state.
create or replace function ops.uuid7() returns uuid
language plpgsql volatile parallel safe set search_path = ''
as $$
declare
  v_us    bigint := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
  v_bytes bytea  := uuid_send(gen_random_uuid());
  v_frac  int    := ((v_us % 1000) * 4096 / 1000)::int;
begin
  v_bytes := overlay(v_bytes placing substring(int8send(v_us / 1000) from 3) from 1 for 6);
  v_bytes := set_byte(set_byte(v_bytes, 6, 112 | (v_frac >> 8)), 7, v_frac & 255);
  return encode(v_bytes, 'hex')::uuid;
end
$$;

-- functions/core/verify_events.sql
-- Whether a run's events are a gapless chain that ends at the run's head, and the columns agree with the hashed text.
-- Returns {ok, events, broken_at|null, problem|null, dropped_at|null}; events is how many were verified. Where the
-- run's month was dropped (ops.drop_partitions), ok is null, never true: what came after is verified, that it begins
-- where the chain was cut and ends at the run's head, and nothing more can be. Raises OPN01.
create or replace function ops.verify_events(p_run_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_run    ops.runs;
  v_event  ops.events;
  v_prev   bytea  := decode(repeat('00', 32), 'hex');
  v_gone   bigint := 0;
  v_seq    bigint;
  v_at     timestamptz;
  v_broken text;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id;
  if v_run.run_id is null then
    perform ops.fail('OPN01', format('there is no run %s', p_run_id));
  end if;
  select d.dropped_at into v_at from ops.dropped_partitions d
   where d.parent = 'events' and d.from_run_id <= p_run_id and p_run_id < d.to_run_id;
  if v_at is not null then
    -- from where it was cut: the head, unless an event came after that
    select h.seq, h.hash into v_gone, v_prev from ops.dropped_heads h where h.run_id = p_run_id;
    if not found then
      v_gone := v_run.event_seq;
      v_prev := v_run.event_head;
    end if;
  end if;
  v_seq := v_gone;
  for v_event in select * from ops.events e where e.run_id = p_run_id order by e.seq loop
    v_seq := v_seq + 1;
    v_broken := case
      when v_event.seq <> v_seq then 'a gap'
      when v_event.prev_hash <> v_prev then 'prev_hash is not the hash before'
      when v_event.hash <> sha256(v_prev || convert_to(v_event.canonical, 'UTF8'))
        then 'the hash does not match the text'
      when v_event.canonical <> ops.canonical_event(
             v_event.run_id, v_event.seq, v_event.at, v_event.type, v_event.epoch,
             v_event.canonical::jsonb ->> 'actor', v_event.canonical::jsonb -> 'data')
        then 'the columns differ from the text'
    end;
    exit when v_broken is not null;
    v_prev := v_event.hash;
  end loop;
  if v_broken is null and (v_seq <> v_run.event_seq or v_prev <> v_run.event_head) then
    v_broken := 'the chain does not end at the run''s head';
  end if;
  return jsonb_build_object(
    'ok', case when v_broken is not null then false when v_at is null then true end,
    'events', v_seq - v_gone,
    'problem', coalesce(v_broken, case when v_at is not null
      then format('the first %s of %s events were dropped with their month', v_gone, v_run.event_seq) end),
    'broken_at', case when v_broken is not null then v_seq end,
    'dropped_at', ops.iso(v_at));
end
$$;

-- functions/core/warm_up.sql
-- Have this session plan the statements of its hot verbs: the first exchange and the first submit of a session take
-- tens of milliseconds, which nobody's run shall wait for. Changes nothing: all of them are run for no rows.
create or replace function ops.warm_up() returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform ops.warm_up_exchange();
  perform ops.submit_each('[]');
end
$$;

-- functions/core/warm_up_exchange.sql
-- Plan what ops.exchange_each runs, for no rows. A plan is kept as it was made, so the settings are those of that verb.
create or replace function ops.warm_up_exchange() returns void
language plpgsql volatile set search_path = ''
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off
  set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_nobody ops.member_start[] := array[row(0, gen_random_uuid(), gen_random_uuid(), null, null, null)];
begin
  perform ops.report_each('[]');
  perform ops.checked_claims('[]');
  perform ops.promote_ready(0, 'claim');
  perform ops.start_runs(v_nobody);
  perform ops.start_pipelines(v_nobody);
  perform ops.remember_claims('{}', '{}');
  perform ops.claim_answers('{}', '{}');
  perform ops.next_due();
  perform ops.gathered_ready();
end
$$;

-- functions/core/why_attempt.sql
-- How a run's last attempt ended when it did so without success: [] or one reason, attempt_failed, attempt_capped
-- (which cap, its limit, what was observed), attempt_expired (which executor was not heard of) or attempt_released
-- (which executor left and gave it back).
create or replace function ops.why_attempt(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_attempt  ops.attempts;
  v_executor text;
  v_caps     jsonb;
  v_how      text;
begin
  select * into v_attempt from ops.attempts a where a.run_id = p_run.run_id order by a.epoch desc limit 1;
  if v_attempt.run_id is null or v_attempt.outcome not in ('failed', 'capped', 'expired') then
    return '[]';
  end if;
  select e.name into v_executor from ops.executors e where e.executor_id = v_attempt.executor_id;
  v_caps := ops.caps_met(v_attempt);
  v_how := case when ops.is_released(v_attempt.outcome, v_attempt.error) then 'released' else v_attempt.outcome end;
  return jsonb_build_array(ops.reason('attempt_' || v_how,
    format('attempt %s of at most %s, at executor %s, %s at %s: %s', v_attempt.attempt, p_run.max_attempts, v_executor,
      case v_how when 'failed' then 'failed' when 'capped' then 'was stopped by a cap' when 'released' then 'was given back'
                 else 'was lost' end,
      ops.iso(v_attempt.finished_at),
      coalesce(ops.caps_text(v_caps), format('%s error %s: %s', v_attempt.error ->> 'class',
                                              v_attempt.error ->> 'code', v_attempt.error ->> 'message'))),
    jsonb_build_object('attempt', v_attempt.attempt, 'max_attempts', p_run.max_attempts, 'epoch', v_attempt.epoch,
      'finished_at', ops.iso(v_attempt.finished_at), 'executor_id', v_attempt.executor_id,
      'executor_name', v_executor, 'error', v_attempt.error - 'trace', 'caps', v_caps)));
end
$$;

-- functions/core/why_budget.sql
-- The reasons of a run that a budget holds: one for each budget without room, as it stands now; when all have some,
-- that it goes on with the reactor's next look.
create or replace function ops.why_budget(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_full jsonb;
begin
  v_full := ops.full_budgets(ops.budget_lines(p_run.workspace, p_run.template_name,
    (select t.spec -> 'estimate' from ops.templates t where t.template_id = p_run.template_id), p_run.caps));
  if v_full = '[]' then
    return jsonb_build_array(ops.reason('budget_exhausted', 'a budget had no room for it; there is some now'));
  end if;
  return (
    select jsonb_agg(ops.reason('budget_exhausted', ops.budget_text(f.value) || coalesce(
             format('; the next %s begins at %s', f.value ->> 'period', f.value ->> 'period_end'), ''), f.value))
      from jsonb_array_elements(v_full) f);
end
$$;

-- functions/core/why_cancelled.sql
-- The reasons of a cancelled run: cancelled (by whom, when, why, and how it took effect), what had become of it before
-- (ops.why_attempt, rerun_unsafe), and of a pipeline that nobody cancelled as a whole, its cancelled tasks.
create or replace function ops.why_cancelled(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_asked  jsonb := ops.last_event(p_run.run_id, array['run.cancel_requested']);
  v_ended  jsonb := ops.last_event(p_run.run_id, array['run.cancelled']);
  v_gave   jsonb := ops.last_event(p_run.run_id, array['attempt.reported', 'run.cancelled']);
  v_before jsonb := ops.last_event(p_run.run_id, array['run.submitted', 'run.waiting', 'run.queued', 'run.started',
                                                       'run.retry_scheduled']);
  v_how    text;
begin
  if v_asked is null and p_run.kind = 'pipeline' then
    return ops.why_tasks(p_run, 'cancelled');
  end if;
  v_how := case when v_asked is null then 'given_up'
                when p_run.kind = 'pipeline' then 'with_its_tasks'
                when p_run.state_reason = 'cancelled' then 'obeyed'
                when p_run.state_reason is null then 'before_it_ran'
                when v_ended ->> 'actor' = 'reactor' then 'not_obeyed'
                else 'forced' end;
  return jsonb_build_array(ops.reason('cancelled',
    format('cancelled by %s at %s: %s; %s', regexp_replace(coalesce(v_asked, v_ended) ->> 'actor', '^operator:', ''),
      coalesce(v_asked, v_ended) ->> 'at',
      coalesce(p_run.cancel_reason, v_gave #>> '{data,reason}', 'no reason was told'),
      case v_how when 'given_up' then 'its executor gave it up, nobody had asked'
                 when 'with_its_tasks' then 'it ended with the last of its tasks'
                 when 'obeyed' then 'its executor stopped it'
                 when 'before_it_ran' then 'it was not running'
                 when 'not_obeyed' then 'its executor did not stop it in time, so its lease was revoked'
                 else 'its lease was revoked at once' end),
    jsonb_build_object('by', coalesce(v_asked, v_ended) -> 'actor', 'requested_at', v_asked -> 'at',
      'reason', coalesce(p_run.cancel_reason, v_gave #>> '{data,reason}'), 'how', v_how,
      'finished_at', ops.iso(p_run.finished_at), 'attempt', p_run.attempt)))
    || ops.why_attempt(p_run)
    || case when v_before #>> '{data,state_reason}' = 'rerun_unsafe' then jsonb_build_array(
         ops.reason('rerun_unsafe', ops.why_rerun_unsafe(p_run))) else '[]' end;
end
$$;

-- functions/core/why_executors_held.sql
-- The reasons of a run that only executors could take that are paused, drain, or say that they are in trouble: one for
-- each.
create or replace function ops.why_executors_held(p_executors ops.executors[]) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_agg(case e.state
           when 'active' then ops.reason('executor_in_trouble',
             format('executor %s (%s) takes no run: %s', e.number, e.name, e.trouble),
             jsonb_build_object('executor_id', e.executor_id, 'number', e.number, 'name', e.name,
                                'trouble', e.trouble))
           else ops.reason(
             case e.state when 'paused' then 'executor_paused' else 'executor_draining' end,
             ops.paused_text(format('executor %s (%s) %s', e.number, e.name,
                               case when e.state = 'paused' then 'was paused' when e.state_by is null then 'drains'
                                    else 'drains, told so' end),
                             e.state_by, ops.iso(e.state_at), e.state_reason),
             jsonb_build_object('executor_id', e.executor_id, 'number', e.number, 'name', e.name, 'state', e.state,
                                'by', 'operator:' || e.state_by, 'at', ops.iso(e.state_at), 'reason', e.state_reason))
           end order by e.number)
    from unnest(p_executors) e
$$;

-- functions/core/why_failed.sql
-- The reasons of a failed run: how its last attempt ended (ops.why_attempt), then why there was no other one
-- (ops.why_no_retry); or what failed it outside of an attempt: task_failed (one per task of a pipeline),
-- publication_failed, deadline_passed, queue_seconds, input_missing.
create or replace function ops.why_failed(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
begin
  if p_run.kind = 'pipeline' then
    return ops.why_tasks(p_run, 'failed');
  elsif p_run.state_reason in ('publication_failed', 'deadline_passed', 'queue_seconds', 'input_missing') then
    return jsonb_build_array(ops.reason(p_run.state_reason,
      format('it failed at %s: %s', ops.iso(p_run.finished_at), p_run.error ->> 'message'),
      jsonb_build_object('finished_at', ops.iso(p_run.finished_at), 'attempt', p_run.attempt,
                         'error', p_run.error - 'trace', 'outputs', ops.failed_outputs(p_run))));
  end if;
  return ops.why_attempt(p_run) || ops.why_no_retry(p_run);
end
$$;

-- functions/core/why_key_held.sql
-- Whether a run's concurrency key is full: [] or one reason that names the holders.
create or replace function ops.why_key_held(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_limit   int;
  v_holders jsonb;
begin
  select k."limit" into v_limit from ops.concurrency_keys k where k.workspace = p_run.workspace
      and k.key = p_run.concurrency_key;
  select coalesce(jsonb_agg(jsonb_build_object('run_id', r.run_id, 'number', r.number, 'executor_name', e.name)
                            order by r.number), '[]')
    into v_holders
    from ops.leases l join ops.runs r on r.run_id = l.run_id join ops.executors e on e.executor_id = l.executor_id
   where l.workspace = p_run.workspace and l.concurrency_key = p_run.concurrency_key;
  if v_limit is null or jsonb_array_length(v_holders) < v_limit then
    return '[]';
  end if;
  return jsonb_build_array(ops.reason('concurrency_key_held',
    format('concurrency key %s (limit %s) is held by run %s', p_run.concurrency_key, v_limit,
           (select string_agg(format('%s (executor %s)', h ->> 'number', h ->> 'executor_name'), ', ')
              from jsonb_array_elements(v_holders) h)),
    jsonb_build_object('key', p_run.concurrency_key, 'limit', v_limit, 'holders', v_holders)));
end
$$;

-- functions/core/why_no_executor.sql
-- Why no executor takes a run now: [] when one can, else one reason, or one for each executor that could and is paused,
-- drains or is in trouble: no_executor_alive, no_executor_for_workspace, no_executor_with_capability, executor_paused,
-- executor_draining, executor_in_trouble, all_slots_busy.
create or replace function ops.why_no_executor(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_alive ops.executors[] := ops.alive_executors(p_run.kind);
  v_here  ops.executors[];
  v_able  ops.executors[];
begin
  v_here := array(select e from unnest(v_alive) e where e.workspaces is null or p_run.workspace = any (e.workspaces));
  v_able := array(select e from unnest(v_here) e where p_run.requires is null or ops.offer(e) @> p_run.requires);
  return case
    when cardinality(v_alive) = 0 then jsonb_build_array(ops.reason('no_executor_alive',
      format('no %s executor is alive', p_run.kind), jsonb_build_object('kind', p_run.kind)))
    when cardinality(v_here) = 0 then jsonb_build_array(ops.reason('no_executor_for_workspace',
      format('no %s executor works in workspace %s', p_run.kind, p_run.workspace),
      jsonb_build_object('workspace', p_run.workspace)))
    when cardinality(v_able) = 0 then jsonb_build_array(ops.why_not_able(p_run, v_here))
    when not exists (select from unnest(v_able) e where e.state = 'active' and e.trouble is null)
      then ops.why_executors_held(v_able)
    else ops.why_slots_busy(p_run, v_able) end;
end
$$;

-- functions/core/why_no_retry.sql
-- Why a failed run was not tried again: one reason, named as ops.route_decision named it.
create or replace function ops.why_no_retry(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_on    jsonb;
  v_class text := coalesce(p_run.error ->> 'class', 'internal');
begin
  select ops.retry_classes(ops.own_retry(t.spec, p_run.retry)) into v_on from ops.templates t
   where t.template_id = p_run.template_id;
  return jsonb_build_array(ops.reason(p_run.state_reason, case p_run.state_reason
      when 'not_retryable' then format('no retry: the template retries %s errors, not %s ones',
        coalesce((select string_agg(c, ', ') from jsonb_array_elements_text(v_on) c), 'no'), v_class)
      when 'attempts_exhausted' then format('no retry: attempt %s was the last of %s', p_run.attempt,
        p_run.max_attempts)
      when 'expirations_exhausted' then format('no retry: %s of its attempts lost their executor', p_run.expirations)
      when 'rule' then 'no retry: a routing rule says so'
      else format('no retry: %s', p_run.state_reason) end,
    jsonb_build_object('class', v_class, 'retry_on', v_on, 'attempt', p_run.attempt,
                       'max_attempts', p_run.max_attempts, 'expirations', p_run.expirations)));
end
$$;

-- functions/core/why_not_able.sql
-- The reason of a run that asks for what no executor offers: what is missing everywhere, else all that is asked for.
create or replace function ops.why_not_able(p_run ops.runs, p_executors ops.executors[]) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_missing text;
begin
  select string_agg(format('%s %s = %s', case s.key when 'labels' then 'label' else 'capability' end, w.key,
                           w.value #>> '{}'), ', ' order by s.key, w.key)
    into v_missing
    from jsonb_each(p_run.requires) s cross join lateral jsonb_each(nullif(s.value, 'null')) w
   where not exists (select from unnest(p_executors) e
                      where ops.offer(e) @> jsonb_build_object(s.key, jsonb_build_object(w.key, w.value)));
  return ops.reason('no_executor_with_capability',
    case when v_missing is null then format('no one %s executor offers all that the run requires', p_run.kind)
         else format('no %s executor has %s', p_run.kind, v_missing) end,
    jsonb_build_object('requires', p_run.requires));
end
$$;

-- functions/core/why_open_tasks.sql
-- The tasks that a pipeline waits for, at most five: task_queued, task_waiting or task_running with the task's own
-- reasons in the message and in the detail. Those that are held up come before those that run; a task that waits for
-- another one, or for the pipeline itself, is left out, as that one's reason is its own. Empty for all other runs.
create or replace function ops.why_open_tasks(p_run ops.runs, p_workspaces text[]) returns jsonb
language plpgsql stable set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(ops.reason('task_' || o.state,
             format('task %s (run %s) is %s: %s', o.task_key, o.number, o.state,
                    (select string_agg(r.value ->> 'message', '; ' order by r.n)
                       from jsonb_array_elements(o.reasons) with ordinality r (value, n))),
             jsonb_build_object('run_id', o.run_id, 'number', o.number, 'task_key', o.task_key, 'state', o.state,
                                'reasons', o.reasons))
           order by o.state = 'running', o.number), '[]')
    from (select c.run_id, c.number, c.task_key, c.state, ops.why_reasons(c, p_workspaces) as reasons
            from ops.runs c
           where c.pipeline_run_id = p_run.run_id and c.state in ('waiting', 'queued', 'running')
             and coalesce(c.state_reason, '') not in ('waiting_on_dependency', 'waiting_on_pipeline')
           order by c.state = 'running', c.number limit 5) o);
end
$$;

-- functions/core/why_paused.sql
-- Whether a run is paused: [] or one reason that says by whom, when and why.
create or replace function ops.why_paused(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_told jsonb;
begin
  if not p_run.paused then
    return '[]';
  end if;
  v_told := ops.last_event(p_run.run_id, array['run.paused']);
  return jsonb_build_array(ops.reason('paused',
    ops.paused_text('it was paused', regexp_replace(v_told ->> 'actor', '^operator:', ''), v_told ->> 'at',
                    v_told #>> '{data,reason}')
      || case p_run.state when 'running' then '; this attempt goes on, there is no other' else '' end,
    jsonb_build_object('by', v_told -> 'actor', 'at', v_told -> 'at', 'reason', v_told #> '{data,reason}')));
end
$$;

-- functions/core/why_queue_paused.sql
-- Whether a queue is paused: [] or one reason that says by whom, when and why.
create or replace function ops.why_queue_paused(p_queue text) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(ops.reason('queue_paused',
           ops.paused_text(format('queue %s was paused', u.queue), u.paused_by, ops.iso(u.paused_at), u.paused_reason),
           jsonb_build_object('queue', u.queue, 'by', 'operator:' || u.paused_by, 'at', ops.iso(u.paused_at),
                              'reason', u.paused_reason))), '[]')
    from ops.queue_pauses u where u.queue = p_queue
$$;

-- functions/core/why_queued.sql
-- The reasons of a queued run: paused, queue_paused, deadline_passed, why no executor takes it (ops.why_no_executor),
-- concurrency_key_held, unless it is paused itself position_in_queue, and attempt_released when an executor that left
-- gave it back.
create or replace function ops.why_queued(p_run ops.runs, p_workspaces text[]) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_reasons jsonb := ops.why_paused(p_run) || ops.why_queue_paused(p_run.queue);
begin
  if p_run.deadline <= ops.now() then
    v_reasons := v_reasons || ops.reason('deadline_passed', format('its deadline %s has passed',
        ops.iso(p_run.deadline)));
  end if;
  v_reasons := v_reasons || ops.why_no_executor(p_run) || ops.why_key_held(p_run);
  return case when p_run.paused then v_reasons else v_reasons || ops.queue_position(p_run, p_workspaces) end
         || ops.why_released(p_run);
end
$$;

-- functions/core/why_reasons.sql
-- The reasons of one run by its state: [{code, message, detail}]. p_workspaces: those the caller may see, null: all.
create or replace function ops.why_reasons(p_run ops.runs, p_workspaces text[]) returns jsonb
language plpgsql stable set search_path = ''
as $$
begin
  return case p_run.state when 'waiting' then ops.why_waiting(p_run)
                          when 'queued' then ops.why_queued(p_run, p_workspaces)
                          when 'running' then ops.why_running(p_run)
                          when 'succeeded' then ops.why_succeeded(p_run)
                          when 'failed' then ops.why_failed(p_run)
                          when 'cancelled' then ops.why_cancelled(p_run)
                          when 'skipped' then ops.why_skipped(p_run) end;
end
$$;

-- functions/core/why_released.sql
-- That a run's last attempt was given back by an executor that left: [] or one reason, attempt_released.
create or replace function ops.why_released(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce((select ops.why_attempt(p_run) from ops.attempts a
                    where a.run_id = p_run.run_id and a.epoch = p_run.epoch - 1
                      and ops.is_released(a.outcome, a.error)), '[]')
$$;

-- functions/core/why_rerun_unsafe.sql
-- What to tell of a run in rerun_unsafe: what its template says about a rerun, or by what its executor writes.
create or replace function ops.why_rerun_unsafe(p_run ops.runs) returns text
language sql stable set search_path = ''
as $$
  select 'its attempt ended without success, and '
         || case t.spec ->> 'rerun'
              when 'checked' then 'its template wants a rerun to be checked, but there is no probe yet that checks it'
              when 'unsafe' then 'its template says that a rerun is unsafe'
              else format('nobody knows what it wrote by %L, which its executor does at least once; its template does '
                          'not say that a rerun is safe', ops.unfenced_path(p_run)) end
         || ': look at what it left behind, then retry or cancel it'
    from ops.templates t where t.template_id = p_run.template_id
$$;

-- functions/core/why_run.sql
-- Why a run is not running, what it is doing, or why it ended as it did: {run_id, state, reasons: [{code, message,
-- detail}]}. A pipeline that goes on names the tasks that it waits for. Raises OPU01, OPN01.
create or replace function ops.why_run(p_token_id uuid, p_ref text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_token ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run   ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = ops.resolve_run(v_token.token_id, p_ref);
  return jsonb_build_object('run_id', v_run.run_id, 'state', v_run.state,
                            'reasons', ops.why_reasons(v_run, v_token.workspaces)
                                       || ops.why_open_tasks(v_run, v_token.workspaces));
end
$$;

-- functions/core/why_running.sql
-- What a running run is doing: running, publishing, paused, cancel_requested, lease_lapsed (its executor is silent).
create or replace function ops.why_running(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_lease   ops.leases;
  v_reasons jsonb := '[]';  -- what it does comes first
begin
  select * into v_lease from ops.leases l where l.run_id = p_run.run_id;
  if p_run.state_reason = 'publishing' then
    v_reasons := v_reasons || ops.reason('publishing', 'its report was accepted; outputs are being committed', (
      select jsonb_build_object('outputs', jsonb_agg(p.output order by p.output)) from ops.publications p
       where p.run_id = p_run.run_id and p.epoch = p_run.epoch and p.state = 'recorded'));
  else
    v_reasons := v_reasons || ops.reason('running', case p_run.kind when 'pipeline' then 'tasks of it have started'
                                                                    else 'it is running' end, jsonb_build_object(
      'executor_id', v_lease.executor_id, 'lease_deadline', ops.iso(v_lease.lease_deadline)));
  end if;
  v_reasons := v_reasons || ops.why_paused(p_run);
  if p_run.cancel_requested_at is not null then
    v_reasons := v_reasons || ops.reason('cancel_requested', format('cancelling: %s', p_run.cancel_reason));
  end if;
  if v_lease.lease_deadline < ops.now() then
    v_reasons := v_reasons || ops.reason('lease_lapsed', format('its executor is silent; the lease ended at %s',
        ops.iso(v_lease.lease_deadline)));
  end if;
  return v_reasons;
end
$$;

-- functions/core/why_skipped.sql
-- The reasons of a skipped run: one, `skipped`, for each parent that kept its condition from holding.
create or replace function ops.why_skipped(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(ops.reason('skipped',
             format('skipped at %s: run %s (%s) ended as %s, and its condition is %s', ops.iso((p_run).finished_at),
                    p.number, coalesce(p.task_key, p.template_name), p.state, (p_run).condition),
             jsonb_build_object('run_id', p.run_id, 'number', p.number, 'task_key', p.task_key, 'state', p.state,
                                'condition', (p_run).condition, 'finished_at', ops.iso((p_run).finished_at)))
           order by p.number), '[]')
    from ops.run_dependencies d join ops.runs p on p.run_id = d.depends_on
   where d.run_id = (p_run).run_id and ops.is_terminal(p.state)
     and case (p_run).condition when 'all_success' then p.state <> 'succeeded'
                                when 'none_failed' then p.state in ('failed', 'cancelled')
                                when 'all_failed' then p.state not in ('failed', 'cancelled')
                                else true end
$$;

-- functions/core/why_slots_busy.sql
-- Whether all of the executors that could take a run, and are active and without trouble, are full: [] or one reason
-- that says how many.
create or replace function ops.why_slots_busy(p_run ops.runs, p_executors ops.executors[]) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_slots bigint;
  v_busy  bigint;
  v_full  boolean;
  v_count int;
begin
  select sum(e.slots), sum(h.held), bool_and(h.held >= e.slots), count(*) into v_slots, v_busy, v_full, v_count
    from unnest(p_executors) e
   cross join lateral (select count(*) as held from ops.leases l where l.executor_id = e.executor_id) h
   where e.state = 'active' and e.trouble is null;
  if not v_full then
    return '[]';
  end if;
  return jsonb_build_array(ops.reason('all_slots_busy',
    format('all slots of the %s that could take it are busy: %s of %s',
           case v_count when 1 then format('one %s executor', p_run.kind)
                        else format('%s %s executors', v_count, p_run.kind) end, v_busy, v_slots),
    jsonb_build_object('executors', v_count, 'slots', v_slots, 'busy', v_busy)));
end
$$;

-- functions/core/why_succeeded.sql
-- The one reason of a succeeded run: when, and in which attempt (0 of a pipeline, whose tasks have the attempts), or
-- which run's work it took.
create or replace function ops.why_succeeded(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_array(ops.reason('succeeded',
    format('it succeeded at %s%s', ops.iso((p_run).finished_at),
           case when (p_run).kind = 'pipeline' then ', as no task of it failed'
                when (p_run).reused_from is not null then format(
                  ', without an attempt: run %s had done the same with the same inputs',
                  (select o.number from ops.runs o where o.run_id = (p_run).reused_from))
                else format(', in attempt %s of at most %s', (p_run).attempt, (p_run).max_attempts) end),
    jsonb_build_object('finished_at', ops.iso((p_run).finished_at), 'attempt', (p_run).attempt,
                       'max_attempts', (p_run).max_attempts)))
$$;

-- functions/core/why_tasks.sql
-- The tasks that made a pipeline end in a state: one reason each, task_<state>, in the order in which they ended.
create or replace function ops.why_tasks(p_run ops.runs, p_state text) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(ops.reason('task_' || p_state,
             format('task %s (run %s) %s at %s%s', c.task_key, c.number,
                    case p_state when 'cancelled' then 'was cancelled' else p_state end, ops.iso(c.finished_at),
                    coalesce(': ' || (c.error ->> 'message'), '')),
             jsonb_build_object('run_id', c.run_id, 'number', c.number, 'task_key', c.task_key, 'state', c.state,
                                'finished_at', ops.iso(c.finished_at), 'error', c.error - 'trace'))
           order by c.finished_at, c.number), '[]')
    from ops.runs c where c.pipeline_run_id = (p_run).run_id and c.state = p_state
$$;

-- functions/core/why_waiting.sql
-- The reasons of a waiting run: waiting_on_dependency (one per parent not done), waiting_on_tasks, not_before,
-- retry_backoff, budget_exhausted (one per budget without room), rerun_unsafe, held_by_rule, paused;
-- attempt_released when an executor that left gave it back.
create or replace function ops.why_waiting(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_reasons jsonb := ops.why_paused(p_run);
begin
  if p_run.state_reason = 'waiting_on_dependency' then
    return v_reasons || (
      select coalesce(jsonb_agg(ops.reason('waiting_on_dependency',
               format('waits for run %s (%s), which is %s', p.number, coalesce(p.task_key, p.template_name), p.state),
               jsonb_build_object('run_id', p.run_id, 'number', p.number, 'task_key', p.task_key, 'state', p.state,
                                  'condition', p_run.condition)) order by p.number), '[]')
        from ops.run_dependencies d join ops.runs p on p.run_id = d.depends_on
       where d.run_id = p_run.run_id and not ops.is_terminal(p.state));
  end if;
  if p_run.state_reason = 'budget_exhausted' then
    return v_reasons || ops.why_budget(p_run) || ops.why_released(p_run);
  end if;
  return v_reasons || ops.reason(p_run.state_reason, case p_run.state_reason
      when 'not_before' then format('not before %s', ops.iso(p_run.not_before))
      when 'retry_backoff' then format('attempt %s failed; the next starts at %s', p_run.attempt,
          ops.iso(p_run.not_before))
      when 'rerun_unsafe' then ops.why_rerun_unsafe(p_run)
      when 'held_by_rule' then 'a routing rule holds it: retry or cancel it'
      when 'waiting_on_pipeline' then 'its pipeline waits for other runs'
      when 'waiting_on_tasks' then 'none of its tasks has started'
      else p_run.state_reason end,
    jsonb_build_object('not_before', ops.iso(p_run.not_before), 'attempt', p_run.attempt))
    || ops.why_released(p_run);
end
$$;

-- functions/core/with_lines.sql
-- The starts with what each would reserve; null where no budget applies.
create or replace function ops.with_lines(p_starts ops.member_start[]) returns ops.member_start[]
language sql stable set search_path = ''
as $$
  with picked as materialized (
    select s.*, r.workspace, r.template_name, r.template_id, r.caps, r.pipeline_run_id as pipeline
      from unnest(p_starts) with ordinality s (ordinal, executor_id, run_id, epoch, pipeline_run_id, reserved, n)
     cross join lateral (select u.* from ops.runs u where u.run_id = s.run_id offset 0) r
  ), alike as materialized (
    select k.*, ops.budget_lines(k.workspace, k.template_name, t.spec -> 'estimate', k.caps) as lines
      from (select distinct p.workspace, p.template_name, p.template_id, p.caps from picked p) k
      join ops.templates t on t.template_id = k.template_id
  )
  select array_agg(row(p.ordinal, p.executor_id, p.run_id, p.epoch, p.pipeline, a.lines)::ops.member_start order by p.n)
    from picked p join alike a on (a.workspace, a.template_id, a.caps) = (p.workspace, p.template_id, p.caps)
$$;

-- functions/core/within_budgets.sql
-- Of starts with lines, in their order, those for which every budget has room. The balances are locked.
create or replace function ops.within_budgets(p_starts ops.member_start[]) returns ops.member_start[]
language plpgsql stable set search_path = ''
as $$
declare
  v_start ops.member_start;
  v_room  jsonb;
  v_left  jsonb;
  v_fit   ops.member_start[] := '{}';
begin
  with wanted as (
    select l.budget_id, l.period_start, sum(l.reserved) as total
      from unnest(p_starts) s cross join lateral unnest(s.reserved) l group by 1, 2
  ), room as (
    select w.budget_id, w.total, g."limit" - b.used - b.reserved as room
      from wanted w join ops.budgets g on g.budget_id = w.budget_id
      join ops.budget_balances b on (b.budget_id, b.period_start) = (w.budget_id, w.period_start)
  )
  select case when bool_and(r.total <= r.room) then null
              else jsonb_object_agg(r.budget_id, r.room) end into v_room from room r;
  if v_room is null then
    return p_starts;
  end if;

  foreach v_start in array p_starts loop
    v_left := (select jsonb_object_agg(l.budget_id, (v_room ->> l.budget_id::text)::numeric - l.reserved)
                 from unnest(v_start.reserved) l);
    if not exists (select from jsonb_each_text(v_left) x where x.value::numeric < 0) then
      v_fit := v_fit || v_start;
      v_room := v_room || coalesce(v_left, '{}');
    end if;
  end loop;
  return v_fit;
end
$$;

-- functions/core/within_slots.sql
-- Of locked candidates, in their order, those for which their key has a free slot.
create or replace function ops.within_slots(p_picked uuid[], p_candidates uuid[]) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_keys text[] := array(select distinct ops.key_of(r.workspace, r.concurrency_key) from ops.runs r
                          where r.run_id = any (p_candidates) and r.concurrency_key is not null);
begin
  if cardinality(v_keys) = 0 then
    return p_candidates;
  end if;
  return array(
    select c.run_id from (
      select t.run_id, t.n, ops.key_of(r.workspace, r.concurrency_key) as key,
             row_number() over (partition by r.workspace, r.concurrency_key order by t.n) as place
        from unnest(p_candidates) with ordinality t (run_id, n) join ops.runs r on r.run_id = t.run_id) c
      left join ops.free_slots(v_keys, p_picked) s on s.key = c.key
     where c.key is null or c.place <= s.free
     order by c.n);
end
$$;

-- functions/core/worker_of.sql
-- The run whose work a run shows: itself, or the one that it reused.
create or replace function ops.worker_of(p_run_id uuid) returns uuid
language sql stable
return (select coalesce(r.reused_from, r.run_id) from ops.runs r where r.run_id = p_run_id);

-- functions/core/workspace_namespace.sql
-- The Iceberg namespace of a workspace for one that a template names: itself for `default`, else
-- ws_<workspace>__<namespace>, the workspace with _u for _ and _h for -. So each workspace's are its own: the first __
-- ends the workspace (in which each _ is followed by u or h), and it can be read back.
create or replace function ops.workspace_namespace(p_workspace text, p_namespace text) returns text
language sql immutable set search_path = ''
as $$
  select case when p_workspace = 'default' then ''
              else 'ws_' || replace(replace(p_workspace, '_', '_u'), '-', '_h') || '__' end || p_namespace
$$;

-- functions/core/workspace_root.sql
-- Where the tables of a workspace lie: `default` directly below the lakehouse root, any other below _ws/<workspace> of
-- it. No path of an output begins with _ws (ops.is_output_path), so that no workspace writes into another's.
create or replace function ops.workspace_root(p_workspace text) returns text
language sql stable set search_path = ''
as $$
  select rtrim(ops.setting('lakehouse_root') #>> '{}', '/')
         || case when p_workspace = 'default' then '' else '/_ws/' || p_workspace end
$$;

-- functions/core/zz_triggers.sql
-- Triggers that hold what a CHECK cannot. The allowed pairs are written into each trigger's WHEN as constants, so
-- that a good change costs a comparison and no function call. (zz: loads after the functions that it names.)
do $$
declare
  v_of record;
begin
  for v_of in
    select t.entity, x.tab, x.col,
           array_agg(t.from_state || '>' || t.to_state order by t.from_state, t.to_state)
             filter (where t.from_state <> '') as pairs,
           array_agg(t.to_state order by t.to_state) filter (where t.from_state = '') as births
      from ops.transitions() t
      join (values ('run', 'runs', 'state'), ('attempt', 'attempts', 'outcome'),
                   ('publication', 'publications', 'state'), ('artifact', 'artifacts', 'state')) x (entity, tab, col)
        on x.entity = t.entity
     group by t.entity, x.tab, x.col
     order by t.entity
  loop
    execute format(
      'create or replace trigger %s_transitions before update of %I on ops.%I for each row '
      'when (old.%I is distinct from new.%I and (old.%I || ''>'' || new.%I) <> all (%L::text[])) '
      'execute function ops.refuse_transition(%L)',
      v_of.tab, v_of.col, v_of.tab, v_of.col, v_of.col, v_of.col, v_of.col, v_of.pairs, v_of.col);
    execute format(
      'create or replace trigger %s_births before insert on ops.%I for each row when (new.%I <> all (%L::text[])) '
      'execute function ops.refuse_birth(%L)',
      v_of.tab, v_of.tab, v_of.col, v_of.births, v_of.col);
  end loop;
end
$$;

create or replace trigger runs_definition before update of
  run_id, workspace, template_id, template_name, template_version, kind, task_key, pipeline_run_id, retry_of,
  reproduces, may_reuse, params, inputs, outputs, labels, caps, cap_rules, retry, lease_seconds, requires,
  concurrency_key, concurrency_limit, condition, deadline, idempotency_key, request_digest, dedupe_key, traceparent,
  submitted_by, submitted_at
  on ops.runs for each row execute function ops.refuse_redefinition();
-- its attempts: one more, when an executor that leaves gives the run back (ops.take_back)
create or replace trigger runs_more_attempts before update of max_attempts on ops.runs for each row
  when ((new.max_attempts, new.epoch) <> (old.max_attempts + 1, old.epoch + 1))
  execute function ops.refuse_redefinition();

create or replace trigger runs_reused_once before update of reused_from on ops.runs for each row
  when (old.reused_from is not null)
  execute function ops.refuse_redefinition();
create or replace trigger runs_one_manifest before update of manifest_root on ops.runs for each row
  when (old.manifest_root is not null)
  execute function ops.refuse_redefinition();

create or replace trigger templates_frozen before update on ops.templates
  for each row execute function ops.refuse_change();
create or replace trigger events_append_only before update or delete on ops.events
  for each row execute function ops.refuse_change();
create or replace trigger events_never_truncated before truncate on ops.events
  for each statement execute function ops.refuse_change();
create or replace trigger events_default_never_truncated before truncate on ops.events_default
  for each statement execute function ops.refuse_change();
create or replace trigger dropped_partitions_append_only before update or delete on ops.dropped_partitions
  for each row execute function ops.refuse_change();
create or replace trigger dropped_heads_append_only before update or delete on ops.dropped_heads
  for each row execute function ops.refuse_change();
create or replace trigger cap_ledger_append_only before update or delete on ops.cap_ledger
  for each row execute function ops.refuse_change();
create or replace trigger price_lists_frozen before update or delete on ops.price_lists
  for each row execute function ops.refuse_change();
create or replace trigger budget_ledger_append_only before update or delete on ops.budget_ledger
  for each row execute function ops.refuse_change();
create or replace trigger manifests_append_only before update or delete on ops.manifests
  for each row execute function ops.refuse_change();
create or replace trigger manifests_never_truncated before truncate on ops.manifests
  for each statement execute function ops.refuse_change();
create or replace trigger signing_keys_kept before delete on ops.signing_keys
  for each row execute function ops.refuse_change();
-- a key is retired, once, and nothing else
create or replace trigger signing_keys_frozen before update on ops.signing_keys for each row
  when (old.retired_at is not null or (new.key_id, new.public_key, new.valid_from)
        is distinct from (old.key_id, old.public_key, old.valid_from))
  execute function ops.refuse_change();

-- What leases reserved is settled at the end of the transaction in which they end, whichever verb ended them.
create or replace trigger leases_ended after delete on ops.leases referencing old table as gone
  for each statement execute function ops.note_ended_leases();
drop trigger if exists budget_dues_settled on ops.budget_dues;
create constraint trigger budget_dues_settled after insert on ops.budget_dues deferrable initially deferred
  for each row execute function ops.settle_at_commit();

-- functions/edge/announced_artifacts.sql
-- Those of the artifacts named that an attempt of the run has announced whose lease the caller holds, as
-- ops.get_artifact answers them.
create or replace function ops.announced_artifacts(p_token_id uuid, p_run_id uuid, p_artifact_ids uuid[]) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform ops.require(p_token_id, array['executor']);
  return coalesce((
    select jsonb_agg(ops.artifact_json(a)) from ops.artifacts a
      join ops.leases l on l.run_id = a.run_id and l.epoch = a.epoch
      join ops.executors e on e.executor_id = l.executor_id and e.token_id = p_token_id
     where a.run_id = p_run_id and a.artifact_id = any(p_artifact_ids)), '[]');
end
$$;

-- functions/edge/append_logs.sql
-- appendLogs: guard, lock, store. A chunk that is stored already is accepted again in silence, one that is stored with
-- other text refuses the whole call (OPC10); a gap is stored as one.
-- The cap log_bytes counts what the streams have produced. Chunks are stored in the order sent up to the first that
-- does not fit; `accepted` says how many that are. When not even the first new chunk fits, the call is refused (OPX01).
create or replace function ops.append_logs(p_token_id uuid, p_run_id uuid, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_epoch    bigint := ops.body_epoch(p_body);
  v_limit    bigint;
  v_used     bigint;
  v_accepted int;
  v_observed bigint;
begin
  perform ops.check_chunks(p_body -> 'chunks');
  perform ops.hold_lease(p_token_id, p_run_id, v_epoch);
  perform ops.check_log_repeats(p_run_id, v_epoch, p_body -> 'chunks');
  perform ops.check_log_offsets(p_run_id, v_epoch, p_body -> 'chunks');
  v_limit := ops.cap_in_force(p_run_id, 'log_bytes');
  select coalesce(sum(p.next_offset), 0) into v_used from ops.log_positions(p_run_id, v_epoch) p;

  with sent as (
    select c.ordinality, c.value ->> 'stream' as stream, (c.value ->> 'seq')::bigint as seq,
           (c.value ->> 'offset')::bigint as start, (c.value ->> 'at')::timestamptz as at, c.value ->> 'text' as text
      from jsonb_array_elements(p_body -> 'chunks') with ordinality c
  ), sized as (
    select s.*, v_used + sum(case when l.run_id is null then octet_length(s.text) else 0 end)
                           over (order by s.ordinality) as total, l.run_id is null as is_new
      from sent s
      -- the limit keeps it one probe of the key per chunk, also while the table has no statistics yet
      left join lateral (
        select l.run_id from ops.run_logs l
         where l.run_id = p_run_id and l.epoch = v_epoch and l.stream = s.stream and l.seq = s.seq limit 1) l on true
  ), stored as (
    insert into ops.run_logs (run_id, epoch, stream, seq, "offset", at, text, received_at)
    select p_run_id, v_epoch, z.stream, z.seq, z.start, z.at, z.text, ops.now()
      from sized z where z.is_new and (v_limit is null or z.total <= v_limit)
    on conflict do nothing
  )
  select count(*) filter (where not z.is_new or v_limit is null or z.total <= v_limit),
         min(z.total) filter (where z.is_new and z.total > v_limit)
    into v_accepted, v_observed
    from sized z;

  if v_accepted = 0 and v_observed is not null then
    perform ops.fail('OPX01',
      format('the log of run %s would reach %s bytes, its cap is %s', p_run_id, v_observed, v_limit),
      jsonb_build_object('cap', 'log_bytes', 'limit', v_limit, 'observed', v_observed),
      'Stop sending logs; report the cap.');
  end if;
  return jsonb_build_object(
    'accepted', v_accepted,
    'next', (select coalesce(jsonb_object_agg(
                      p.stream, jsonb_build_object('seq', p.next_seq, 'offset', p.next_offset)), '{}')
               from ops.log_positions(p_run_id, v_epoch) p),
    'log_bytes', (select coalesce(sum(p.next_offset), 0) from ops.log_positions(p_run_id, v_epoch) p));
end
$$;

-- functions/edge/artifact_from.sql
-- The artifact that a beginArtifact body describes, not yet stored; OPV01 when it is neither bytes nor a table.
create or replace function ops.artifact_from(p_run_id uuid, p_epoch bigint, p_body jsonb) returns ops.artifacts
language plpgsql volatile set search_path = ''
as $$
declare
  v_new      ops.artifacts;
  v_is_table boolean := p_body ->> 'kind' = 'table';
  v_sha256   text    := p_body ->> 'sha256';
begin
  if coalesce(p_body ->> 'kind', '') not in ('file', 'table', 'report', 'log', 'metrics', 'model') then
    perform ops.invalid('/kind', 'must be file, table, report, log, metrics or model');
  elsif v_is_table and (p_body #>> '{table,uri}' is null or p_body #>> '{table,format}' is null
                           or not ops.is_natural(p_body #> '{table,version}')) then
    perform ops.invalid('/table', 'an artifact of kind table needs format, uri and version');
  elsif not v_is_table
        and (coalesce(v_sha256, '') !~ '^[0-9a-f]{64}$' or not ops.is_natural(p_body -> 'size')) then
    perform ops.invalid('/sha256', 'an artifact of bytes needs its SHA-256 (64 hex digits) and its size');
  elsif octet_length((p_body -> 'preview')::text) > 65536 then
    perform ops.invalid('/preview', 'a preview has at most 65536 bytes', 'Tell fewer rows, or cut their cells.');
  end if;
  v_new.artifact_id := ops.uuid7();
  v_new.run_id := p_run_id;
  v_new.epoch := p_epoch;
  v_new.name := p_body ->> 'name';
  v_new.kind := p_body ->> 'kind';
  v_new.metadata := coalesce(p_body -> 'metadata', '{}');
  v_new.preview := nullif(p_body -> 'preview', 'null');
  v_new.state := 'begun';
  v_new.begun_at := ops.now();
  if v_is_table then
    v_new.table_ref := p_body -> 'table';
    v_new.media_type := format('application/x-%s-table', p_body #>> '{table,format}');
  else
    v_new.size := (p_body ->> 'size')::bigint;
    v_new.sha256 := v_sha256;
    v_new.media_type := coalesce(p_body ->> 'media_type', 'application/octet-stream');
    v_new.object_key := (select ops.object_key(r.workspace, v_sha256) from ops.runs r where r.run_id = p_run_id);
  end if;
  return v_new;
end
$$;

-- functions/edge/artifact_guarded.sql
-- One member of a batch of artifacts, `record` or `begin`, with its refusal as a value. See ops.artifacts_each.
create or replace function ops.artifact_guarded(
  p_token_id uuid, p_run_id uuid, p_verb text, p_member jsonb, out code text, out detail text)
language plpgsql volatile set search_path = ''
as $$
declare
  v_message text;
  v_members text;
  v_hint    text;
begin
  detail := case p_verb
    when 'begin' then ops.begin_artifact(p_token_id, p_run_id, p_member)
    else ops.record_artifact(p_token_id, p_run_id, (p_member ->> 'artifact_id')::uuid, p_member) end::text;
exception when others then
  get stacked diagnostics code = returned_sqlstate, v_message = message_text, v_members = pg_exception_detail,
                          v_hint = pg_exception_hint;
  select r.p_code, r.detail into code, detail from ops.refusal(code, v_message, v_members, v_hint) r;
end
$$;

-- functions/edge/artifact_json.sql
-- An artifact as the contract's Artifact, plus object_key for the server, which makes a URL of it.
create or replace function ops.artifact_json(p_artifact ops.artifacts) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'artifact_id', (p_artifact).artifact_id,
    'run_id', (p_artifact).run_id,
    'epoch', (p_artifact).epoch,
    'name', (p_artifact).name,
    'kind', (p_artifact).kind,
    'media_type', (p_artifact).media_type,
    'size', (p_artifact).size,
    'sha256', (p_artifact).sha256,
    'state', (p_artifact).state,
    'metadata', (p_artifact).metadata,
    'table', (p_artifact).table_ref,
    'recorded_at', ops.iso((p_artifact).recorded_at),
    'verify_ms', (p_artifact).verify_ms,
    'object_key', (p_artifact).object_key)
$$;

-- functions/edge/artifacts_each.sql
-- recordArtifact and beginArtifact for many artifacts of a run, in one transaction: p_body {record: [{artifact_id,
-- epoch, verify_ms?}], begin: [body of beginArtifact]}. Returns a row for each member (ordinal, code, detail), see
-- ops.member_answer; those to record come first, ordinals go on with those to begin. A member's refusal is its own.
create or replace function ops.artifacts_each(p_token_id uuid, p_run_id uuid, p_body jsonb)
returns setof ops.member_answer
language plpgsql volatile security definer set search_path = ''
as $$
begin
  return query
    select (m.place - 1)::int, g.code, g.detail
      from (select 'record' as verb, r.value as member, r.ordinality as place
              from jsonb_array_elements(p_body -> 'record') with ordinality r
            union all
            select 'begin', b.value, b.ordinality + jsonb_array_length(p_body -> 'record')
              from jsonb_array_elements(p_body -> 'begin') with ordinality b
            order by place) m
     cross join lateral ops.artifact_guarded(p_token_id, p_run_id, m.verb, m.member) g;
end
$$;

-- functions/edge/authenticate.sql
-- Whom a bearer token names, by the token's SHA-256; null when unknown, revoked or expired. Notes the use at most once
-- in five minutes, so that a busy token costs no writes.
create or replace function ops.authenticate(p_token_sha256 bytea) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_token ops.tokens;
begin
  select * into v_token from ops.tokens t where t.token_sha256 = p_token_sha256;
  if v_token.token_id is null or not ops.token_is_live(v_token) then
    return null;
  end if;
  if v_token.last_used_at is null or v_token.last_used_at < ops.now() - interval '5 minutes' then
    update ops.tokens t set last_used_at = ops.now()
     where t.token_id = v_token.token_id and t.last_used_at is not distinct from v_token.last_used_at;
  end if;
  return ops.principal_json(v_token);
end
$$;

-- functions/edge/begin_artifact.sql
-- beginArtifact: guard, lock, then one row per (run, epoch, name). The same name with the same content again answers
-- the same row; with other content, OPC04. The bytes' address is the run's
-- workspace and their SHA-256.
create or replace function ops.begin_artifact(p_token_id uuid, p_run_id uuid, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_epoch bigint := ops.body_epoch(p_body);
  v_new   ops.artifacts;
  v_found ops.artifacts;
begin
  perform ops.check_artifact_name(p_body ->> 'name');
  v_new := ops.artifact_from(p_run_id, v_epoch, p_body);
  perform ops.hold_unreported(p_token_id, p_run_id, v_epoch);
  perform ops.check_table_uri(p_run_id, v_new.table_ref ->> 'uri');

  select * into v_found from ops.artifacts a
   where a.run_id = p_run_id and a.epoch = v_epoch and a.name = v_new.name;
  if v_new.object_key is not null then
    perform pg_advisory_xact_lock_shared(ops.object_lock(v_new.object_key));
    perform ops.spare_object(v_new.object_key);
  end if;
  if v_found.artifact_id is null then
    perform ops.check_artifact_bytes(v_new);
    insert into ops.artifacts select (v_new).* returning * into v_found;
  elsif (v_found.kind, v_found.sha256, v_found.size, v_found.table_ref)
        is distinct from (v_new.kind, v_new.sha256, v_new.size, v_new.table_ref) then
    perform ops.fail('OPC04', format('artifact %L of run %s exists with other content', v_new.name, p_run_id),
      jsonb_build_object('name', v_new.name, 'artifact_id', v_found.artifact_id, 'sha256', v_found.sha256,
        'size', v_found.size), 'Use another name; an artifact is written once.');
  end if;
  return jsonb_build_object(
    'artifact_id', v_found.artifact_id,
    'state', v_found.state,
    'object_key', v_found.object_key,
    'already_stored', v_found.object_key is null or ops.object_is_stored(v_found.object_key));
end
$$;

-- functions/edge/begun_artifact.sql
-- Guard and lock as ops.hold_unreported, then the attempt's artifact, one with bytes. Raises what that raises, OPN04
-- when the attempt has none such.
create or replace function ops.begun_artifact(p_token_id uuid, p_run_id uuid, p_artifact_id uuid, p_epoch bigint)
returns ops.artifacts
language plpgsql volatile set search_path = ''
as $$
declare
  v_artifact ops.artifacts;
begin
  perform ops.hold_unreported(p_token_id, p_run_id, p_epoch);
  select * into v_artifact from ops.artifacts a
   where a.artifact_id = p_artifact_id and a.run_id = p_run_id and a.epoch = p_epoch and a.object_key is not null;
  if v_artifact.artifact_id is null then
    perform ops.fail('OPN04',
      format('run %s has no artifact %s with bytes in epoch %s', p_run_id, p_artifact_id, p_epoch),
      jsonb_build_object('artifact_id', p_artifact_id), 'Begin the artifact first.');
  end if;
  return v_artifact;
end
$$;

-- functions/edge/bootstrap_token.sql
-- The first tokens of an installation, made by the schema's owner or a superuser. Granted to nobody.
create or replace function ops.bootstrap_token(p_token_sha256 bytea, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
begin
  return ops.insert_token(p_token_sha256, p_body);
end
$$;

-- functions/edge/budget_from.sql
-- The budget that a body describes, not yet stored, when the caller may set it: see ops.scope_from. Raises OPV01 too.
create or replace function ops.budget_from(p_token_id uuid, p_body jsonb) returns ops.budgets
language plpgsql stable set search_path = ''
as $$
declare
  v_budget ops.budgets;
  v_scope  ops.caps;
begin
  v_budget.scope := coalesce(p_body ->> 'scope', '');
  v_budget.unit := coalesce(p_body ->> 'unit', '');
  v_budget.policy := coalesce(p_body ->> 'policy', 'queue');
  v_budget.timezone := coalesce(p_body ->> 'timezone', 'UTC');
  v_budget.period := coalesce(p_body ->> 'period', case v_budget.unit when 'concurrency' then 'total' end, '');
  if not ops.budget_units() ? v_budget.unit then
    perform ops.invalid('/unit', 'must be one of ' || array_to_string(ops.text_array(ops.budget_units(), 'units'), ', '));
  elsif v_budget.period not in ('hour', 'day', 'month', 'total') then
    perform ops.invalid('/period', 'must be hour, day, month or total');
  elsif v_budget.unit = 'concurrency' and v_budget.period <> 'total' then
    perform ops.invalid('/period', 'must be total for concurrency: what runs at a moment belongs to no period');
  elsif v_budget.policy not in ('queue', 'refuse') then
    perform ops.invalid('/policy', 'must be queue or refuse');
  elsif coalesce(jsonb_typeof(p_body -> 'limit'), '') not in ('number', 'null')
        or (p_body ->> 'limit')::numeric not between 0 and 1e18 then
    perform ops.invalid('/limit', 'must be a number from 0 to 1e18, or null to remove the budget');
  end if;
  v_budget."limit" := (p_body ->> 'limit')::numeric;
  v_budget.thresholds := ops.thresholds_from(p_body -> 'thresholds');
  begin
    perform ops.now() at time zone v_budget.timezone;
  exception when invalid_parameter_value then
    perform ops.invalid('/timezone', format('there is no timezone %s', left(v_budget.timezone, 100)),
                        'Use a name such as Europe/Berlin.');
  end;

  v_scope := ops.scope_from(p_token_id, p_body);
  v_budget.workspace := v_scope.workspace;
  v_budget.template_name := v_scope.template_name;
  return v_budget;
end
$$;

-- functions/edge/budget_json.sql
-- A budget as people see it, with the balance of its present period, or of its last when it was removed.
create or replace function ops.budget_json(p_budget ops.budgets) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('budget_id', (p_budget).budget_id, 'scope', (p_budget).scope,
    'workspace', (p_budget).workspace, 'template_name', (p_budget).template_name, 'unit', (p_budget).unit,
    'period', (p_budget).period, 'timezone', (p_budget).timezone, 'limit', (p_budget)."limit",
    'policy', (p_budget).policy, 'thresholds', to_jsonb((p_budget).thresholds),
    'updated_at', ops.iso((p_budget).updated_at), 'updated_by', (p_budget).updated_by,
    'removed_at', ops.iso((p_budget).removed_at),
    'period_start', case when p.start > '-infinity' then ops.iso(p.start) end,
    'period_end', ops.iso(ops.period_end((p_budget).period, (p_budget).timezone, p.start)),
    'reserved', coalesce(b.reserved, 0), 'used', coalesce(b.used, 0),
    'left', greatest(0, (p_budget)."limit" - coalesce(b.used, 0) - coalesce(b.reserved, 0)),
    'warned', coalesce(b.warned, 0))
    from (select ops.period_start((p_budget).period, (p_budget).timezone,
                                  coalesce((p_budget).removed_at, ops.now())) as start) p
    left join ops.budget_balances b on (b.budget_id, b.period_start) = ((p_budget).budget_id, p.start)
$$;

-- functions/edge/bundle_json.sql
-- A code bundle, with the key that the server turns into a URL.
create or replace function ops.bundle_json(p_bundle ops.bundles) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'sha256', (p_bundle).sha256,
    'size', (p_bundle).size,
    'object_key', (p_bundle).object_key,
    'already_stored', (p_bundle).state = 'stored')
$$;

-- functions/edge/cap_entry_json.sql
-- One enforcement of a cap.
create or replace function ops.cap_entry_json(p_entry ops.cap_ledger) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'run_id', (p_entry).run_id,
    'epoch', (p_entry).epoch,
    'layer', (p_entry).layer,
    'cap', (p_entry).cap,
    'limit', (p_entry)."limit",
    'observed', (p_entry).observed,
    'overshoot', (p_entry).overshoot,
    'overshoot_ms', (p_entry).overshoot_ms,
    'action', (p_entry).action,
    'at', ops.iso((p_entry).at))
$$;

-- functions/edge/cap_from.sql
-- The cap that a body describes, not yet stored, when the caller may set it: see ops.scope_from. Raises OPV01 besides.
create or replace function ops.cap_from(p_token_id uuid, p_body jsonb) returns ops.caps
language plpgsql stable set search_path = ''
as $$
declare
  v_cap ops.caps;
begin
  if not ops.cap_names() ? coalesce(p_body ->> 'cap', '') then
    perform ops.invalid('/cap', 'must be one of ' || array_to_string(ops.text_array(ops.cap_names(), 'caps'), ', '));
  elsif jsonb_typeof(p_body -> 'limit') = 'null' then
    perform ops.check_cap_action('', p_body ->> 'cap', p_body);
  else
    perform ops.check_cap_value('', p_body ->> 'cap', p_body);
  end if;
  v_cap := ops.scope_from(p_token_id, p_body);
  v_cap.cap := p_body ->> 'cap';
  v_cap."limit" := (p_body ->> 'limit')::numeric;
  v_cap.action := p_body ->> 'action';
  v_cap.grace_seconds := (p_body ->> 'grace_seconds')::numeric;
  v_cap.updated_at := ops.now();
  return v_cap;
end
$$;

-- functions/edge/cap_in_force.sql
-- The limit that holds for a run now: the least of its own and of what platform, workspace and template are given; null
-- when there is none.
create or replace function ops.cap_in_force(p_run_id uuid, p_cap text) returns bigint
language sql stable set search_path = ''
as $$
  select floor((ops.effective_caps(r.workspace, r.template_name, r.caps) ->> p_cap)::numeric)::bigint
    from ops.runs r where r.run_id = p_run_id
$$;

-- functions/edge/cap_json.sql
-- A cap as people see it.
create or replace function ops.cap_json(p_cap ops.caps) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('scope', (p_cap).scope, 'workspace', (p_cap).workspace,
    'template_name', (p_cap).template_name, 'cap', (p_cap).cap, 'limit', (p_cap)."limit",
    'action', (p_cap).action, 'grace_seconds', (p_cap).grace_seconds,
    'updated_at', ops.iso((p_cap).updated_at))
$$;

-- functions/edge/check_artifact_bytes.sql
-- Refuse an artifact that would take its attempt over the cap artifact_bytes or artifact_count: OPX01. The caller holds
-- the run's lock.
create or replace function ops.check_artifact_bytes(p_new ops.artifacts) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_limit    bigint := ops.cap_in_force(p_new.run_id, 'artifact_bytes');
  v_most     bigint := ops.cap_in_force(p_new.run_id, 'artifact_count');
  v_observed bigint;
  v_count    bigint;
begin
  select coalesce(sum(a.size), 0) + coalesce(p_new.size, 0), count(*) + 1 into v_observed, v_count
    from ops.artifacts a where a.run_id = p_new.run_id and a.epoch = p_new.epoch;
  if v_observed > v_limit then
    perform ops.fail('OPX01',
      format('the artifacts of run %s would reach %s bytes, their cap is %s', p_new.run_id, v_observed, v_limit),
      jsonb_build_object('cap', 'artifact_bytes', 'limit', v_limit, 'observed', v_observed),
      'Upload less, or have the cap raised.');
  elsif v_count > v_most then
    perform ops.fail('OPX01', format('run %s would have %s artifacts, their cap is %s', p_new.run_id, v_count, v_most),
      jsonb_build_object('cap', 'artifact_count', 'limit', v_most, 'observed', v_count),
      'Upload fewer, or have the cap raised.');
  end if;
end
$$;

-- functions/edge/check_artifact_name.sql
-- Refuse a name that could leave its folder or confuse a reader: OPV06. What shows as nothing or turns text around
-- (control and format characters, among them the bidirectional overrides), and what file systems drop or change (spaces
-- at the ends of a segment, a dot at its end, other normal forms than NFC), would let one name pass for another.
-- Characters that Unicode does not assign are refused by the server, which has the same tables on every Postgres.
create or replace function ops.check_artifact_name(p_name text) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_odd     text := substring(p_name from ops.odd_pattern());
  v_problem text := case
    when p_name is null or p_name = '' then 'is empty'
    when octet_length(p_name) > 1024 then 'is longer than 1024 bytes'
    when v_odd is not null then format('holds U+%s, which does not show',
                                         upper(right('000' || to_hex(ascii(v_odd)), greatest(4,
                                           length(to_hex(ascii(v_odd)))))))
    when left(p_name, 1) = '/' then 'starts with "/"'
    when p_name ~ '(^|/)\.{0,2}(/|$)' then 'has an empty, "." or ".." segment'
    when strpos(p_name, '\') > 0 then 'holds a backslash'
    when p_name ~ '(^|/)[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]' then 'has a segment that begins with a space'
    when p_name ~ '[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000](/|$)' then 'has a segment that ends with a space'
    when p_name ~ '\.(/|$)' then 'has a segment that ends with a dot'
    when p_name is not nfc normalized then 'is not in the Unicode normal form NFC'
  end;
begin
  if v_problem is not null then
    perform ops.fail('OPV06',
      format('artifact name %s %s',
             left(to_jsonb(regexp_replace(p_name, ops.odd_pattern(), U&'\FFFD', 'g'))::text, 200), v_problem), '{}',
      case when v_problem ~ 'NFC' then 'Send it in NFC; in Python: unicodedata.normalize("NFC", name).'
           when v_odd is not null then 'Leave that character out.'
           else 'Use a relative path such as "report/index.html".' end);
  end if;
end
$$;

-- functions/edge/check_budgets.sql
-- Recompute every balance from the ledger: {balances: how many, wrong: [{budget_id, period_start, reserved, used,
-- ledger_reserved, ledger_used}]}. What is reserved must also be what leases hold; a lease without its entry, or an
-- open entry without its lease, is wrong: [{run_id, epoch}]. One snapshot: no claim or report is waited for.
-- Raises OPU01, OPU02.
create or replace function ops.check_budgets(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform ops.require_everywhere(p_token_id, '{operator,viewer}');
  return (
    with entered as (
      select l.budget_id, l.period_start,
             sum(case e.entry when 'reserved' then l.reserved else - l.reserved end) as reserved,
             sum(coalesce(l.used, 0)) as used
        from ops.budget_ledger e cross join lateral unnest(e.lines) l group by 1, 2
    ), compared as (
      select budget_id, period_start, coalesce(b.reserved, 0) as reserved, coalesce(b.used, 0) as used,
             coalesce(e.reserved, 0) as ledger_reserved, coalesce(e.used, 0) as ledger_used
        from ops.budget_balances b full join entered e using (budget_id, period_start)
    ), open as (
      select e.run_id, e.epoch from ops.budget_ledger e where e.entry = 'reserved'
      except select e.run_id, e.epoch from ops.budget_ledger e where e.entry <> 'reserved'
    ), held as (
      select l.run_id, l.epoch from ops.leases l where l.reserved is not null
    )
    select jsonb_build_object(
      'balances', (select count(*) from compared),
      'wrong', (select coalesce(jsonb_agg(to_jsonb(c) order by c.budget_id, c.period_start), '[]') from compared c
                 where (c.reserved, c.used) <> (c.ledger_reserved, c.ledger_used)),
      'leases', (select coalesce(jsonb_agg(to_jsonb(x)), '[]') from (
                   (select * from open except select * from held) union all
                   (select * from held except select * from open)) x)));
end
$$;

-- functions/edge/check_chunks.sql
-- Guard: the chunks of appendLogs, each {stream, seq, offset, at, text}. Raises OPV01 with the first problem's path.
create or replace function ops.check_chunks(p_chunks jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_wrong record;
begin
  if jsonb_typeof(p_chunks) is distinct from 'array' then
    perform ops.invalid('/chunks', 'must be a list');
  end if;
  select c.ordinality - 1 as place, p.path, p.message into v_wrong
    from jsonb_array_elements(p_chunks) with ordinality c
   cross join lateral ops.chunk_problem(c.value) p
   where p.message is not null
   order by c.ordinality limit 1;
  if v_wrong.message is not null then
    perform ops.invalid(format('/chunks/%s%s', v_wrong.place, v_wrong.path), v_wrong.message);
  end if;
end
$$;

-- functions/edge/check_log_offsets.sql
-- Guard: no new chunk begins inside what its stream holds already, stored or sent before it in the same call. Offsets
-- are how the cap log_bytes counts, so they cannot stand still. A gap is allowed. Raises OPV01.
create or replace function ops.check_log_offsets(p_run_id uuid, p_epoch bigint, p_chunks jsonb) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_bad bigint;
begin
  with sent as (
    select c.ordinality - 1 as position, c.value ->> 'stream' as stream, (c.value ->> 'seq')::bigint as seq,
           (c.value ->> 'offset')::bigint as start, octet_length(c.value ->> 'text') as bytes
      from jsonb_array_elements(p_chunks) with ordinality c
  ), placed as (
    select s.*, p.next_seq, p.next_offset,
           lag(s.start + s.bytes) over (partition by s.stream order by s.seq) as previous_end
      from sent s
      left join ops.log_positions(p_run_id, p_epoch) p on p.stream = s.stream
  )
  select min(position) into v_bad
    from placed
   where (seq >= next_seq and start < next_offset)
      or (seq >= coalesce(next_seq, 0) and start < previous_end);
  if v_bad is not null then
    perform ops.invalid('/chunks/' || v_bad || '/offset', 'the chunk begins inside an earlier one of its stream',
      'Offsets are the bytes of the stream that came before.');
  end if;
end
$$;

-- functions/edge/check_log_repeats.sql
-- Guard: a chunk sent again is the same chunk: the text and the offset that are stored under its (stream, seq), or
-- that came under it before in the same call. What is on record stands. Raises OPC10 with {stream, seq} of the first.
create or replace function ops.check_log_repeats(p_run_id uuid, p_epoch bigint, p_chunks jsonb) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_bad record;
begin
  with sent as (
    select c.ordinality as place, c.value ->> 'stream' as stream, (c.value ->> 'seq')::bigint as seq,
           (c.value ->> 'offset')::bigint as start, c.value ->> 'text' as text
      from jsonb_array_elements(p_chunks) with ordinality c
  ), again as (
    select s.*, first_value(s.start) over same as first_start, first_value(s.text) over same as first_text
      from sent s window same as (partition by s.stream, s.seq order by s.place)
  )
  select a.stream, a.seq into v_bad
    from again a
    -- the limit keeps it one probe of the key per chunk, also while the table has no statistics yet
    left join lateral (
      select l."offset", l.text from ops.run_logs l
       where l.run_id = p_run_id and l.epoch = p_epoch and l.stream = a.stream and l.seq = a.seq limit 1) l on true
   where (a.start, a.text) is distinct from (coalesce(l."offset", a.first_start), coalesce(l.text, a.first_text))
   order by a.place limit 1;
  if v_bad.seq is not null then
    perform ops.fail('OPC10',
      format('chunk %s of stream %s is on record with another text or offset', v_bad.seq, v_bad.stream),
      jsonb_build_object('run_id', p_run_id, 'stream', v_bad.stream, 'seq', v_bad.seq),
      'What is on record stands. Nothing of this request was stored: send it again without that chunk.');
  end if;
end
$$;

-- functions/edge/check_number_setting.sql
-- Guard: the value of a setting that is a number: whole, from 1 to what its readers can bear; a lease from 10 s, as
-- templates have it, so that one heartbeat that comes late loses no run.
-- Raises OPV01.
create or replace function ops.check_number_setting(p_key text, p_value jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_least numeric := case p_key when 'lease_seconds' then 10 else 1 end;
  v_most numeric := case p_key when 'lease_seconds' then 3600 when 'claim_wait_seconds' then 60
                               when 'log_chunk_bytes' then 1048576 when 'partitions_ahead' then 120
                               when 'max_expirations' then 100
                               when 'events_kept_months' then 1200 when 'logs_kept_months' then 1200 else 31536000 end;
begin
  if jsonb_typeof(p_value) is distinct from 'number' or p_value::numeric not between v_least and v_most
     or p_value::numeric <> floor(p_value::numeric) then
    perform ops.invalid('/value', format('must be a whole number from %s to %s', v_least, v_most));
  end if;
end
$$;

-- functions/edge/check_prices.sql
-- Guard: prices are numbers from 0 for units of usage, by kinds. Raises OPV01.
create or replace function ops.check_prices(p_body jsonb) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_kind  text;
  v_price record;
begin
  if coalesce(p_body ->> 'currency', '') !~ '^[A-Za-z][A-Za-z0-9 ]{0,15}$' then
    perform ops.invalid('/currency', 'must be a short name, such as EUR or credits');
  elsif coalesce(jsonb_typeof(p_body -> 'prices'), '') <> 'object' then
    perform ops.invalid('/prices', 'must be an object of kinds');
  end if;
  for v_kind in select jsonb_object_keys(p_body -> 'prices') loop
    if v_kind <> '*' and not ops.setting('kinds') ? v_kind then
      perform ops.invalid('/prices/' || v_kind, 'is no executor kind here', 'Use a kind, or "*" for any.');
    elsif jsonb_typeof(p_body -> 'prices' -> v_kind) <> 'object' then
      perform ops.invalid('/prices/' || v_kind, 'must be an object of units');
    end if;
    for v_price in select * from jsonb_each(p_body -> 'prices' -> v_kind) loop
      if not ops.budget_units() - 'cost' - 'concurrency' - 'runs' ? v_price.key then
        perform ops.invalid(format('/prices/%s/%s', v_kind, v_price.key), 'is no unit that is measured',
          'Use one of ' || array_to_string(ops.text_array(ops.budget_units() - 'cost' - 'concurrency' - 'runs', 'units'), ', ') || '.');
      elsif jsonb_typeof(v_price.value) <> 'number' or v_price.value::text::numeric not between 0 and 1e12 then
        perform ops.invalid(format('/prices/%s/%s', v_kind, v_price.key), 'must be a number from 0');
      end if;
    end loop;
  end loop;
end
$$;

-- functions/edge/check_setting.sql
-- Guard: a known setting, with a value that its readers understand. Raises OPV01.
--   lakehouse_root   an s3://bucket/prefix URI, what executors open tables below
--   iceberg_root     an iceberg://name URI, by which executors find the catalog among their connections
--   kinds            a list of names
--   all others but contract_versions (this schema's own): a whole number above 0
create or replace function ops.check_setting(p_key text, p_value jsonb) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_keys text[] := array(select s.key from ops.settings s where s.key <> 'contract_versions' order by s.key);
begin
  if p_key is null or p_key <> all (v_keys) then
    perform ops.invalid('/key', format('there is no setting %L to change', left(p_key, 80)),
                        'One of ' || array_to_string(v_keys, ', ') || '.');
  elsif p_key = 'lakehouse_root' then
    if jsonb_typeof(p_value) is distinct from 'string'
       or p_value #>> '{}' !~ '^s3a?://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.=-]+)*/?$'
       or p_value #>> '{}' ~ '/([.][.]?|_ws)(/|$)' then
      perform ops.invalid('/value', 'must be an S3 URI', 'For example "s3://lakehouse" or "s3://bucket/prefix".');
    end if;
  elsif p_key = 'iceberg_root' then
    if jsonb_typeof(p_value) is distinct from 'string'
       or p_value #>> '{}' !~ '^iceberg://[a-z0-9][a-z0-9_.-]{0,62}$' then
      perform ops.invalid('/value', 'must be iceberg:// and a name', 'For example "iceberg://lakehouse".');
    end if;
  elsif p_key = 'kinds' then
    if jsonb_typeof(p_value) is distinct from 'array' or p_value = '[]'
       or exists (select from jsonb_array_elements(p_value) k
                   where jsonb_typeof(k) <> 'string' or k #>> '{}' !~ '^[a-z][a-z0-9_-]{0,62}$'
                      or k #>> '{}' = 'pipeline') then
      perform ops.invalid('/value', 'must be a list of executor kinds', 'For example ["python", "notebook", "dbt"].');
    end if;
  else
    perform ops.check_number_setting(p_key, p_value);
  end if;
end
$$;

-- functions/edge/check_states.sql
-- Refuse a run state that does not exist: OPV04.
create or replace function ops.check_states(p_states text[]) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_known   text[] := array['waiting', 'queued', 'running', 'succeeded', 'failed', 'cancelled', 'skipped'];
  v_unknown text;
begin
  select s into v_unknown from unnest(p_states) s where s <> all (v_known) limit 1;
  if v_unknown is not null then
    perform ops.fail('OPV04', format('state: %L is no run state', left(v_unknown, 80)),
      jsonb_build_object('states', v_known), 'Use one of: ' || array_to_string(v_known, ', ') || '.');
  end if;
end
$$;

-- functions/edge/check_table_uri.sql
-- Guard: a table that an artifact names may be one of the run's workspace (ops.is_table_for). Raises OPV01.
create or replace function ops.check_table_uri(p_run_id uuid, p_uri text) returns void
language plpgsql stable set search_path = ''
as $$
begin
  if p_uri is not null
     and not ops.is_table_for((select r.workspace from ops.runs r where r.run_id = p_run_id), p_uri) then
    perform ops.invalid('/table/uri', 'is no plain address of a table of the run''s workspace',
                        'Name a table below the workspace''s own root, or one outside the lakehouse root.');
  end if;
end
$$;

-- functions/edge/check_template.sql
-- What the schema itself needs of a template; its other rules are the server's, which holds the JSON Schema.
create or replace function ops.check_template(p_caller ops.tokens, p_name text, p_workspace text, p_spec jsonb)
returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_bundle text := p_spec #>> '{bundle,sha256}';
begin
  perform ops.check_workspaces(array[p_workspace]);
  if not ops.may_enter(p_caller, p_workspace) then
    perform ops.fail('OPU02', format('this token does not open workspace %L', p_workspace), '{}', null);
  end if;
  if jsonb_typeof(p_spec) is distinct from 'object' or coalesce(p_name, '') !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
    perform ops.invalid('/name', 'must be lower case letters, digits, ".", "_" and "-", at most 63');
  end if;
  if p_spec ->> 'name' is distinct from p_name then
    perform ops.invalid('/name', format('is %L, but the address says %L', p_spec ->> 'name', p_name));
  end if;
  if coalesce(p_spec ->> 'kind', '') <> 'pipeline' and not ops.setting('kinds') ? coalesce(p_spec ->> 'kind', '') then
    perform ops.fail('OPV03', format('kind: %L is no kind here', p_spec ->> 'kind'),
      jsonb_build_object('kinds', ops.setting('kinds') || '["pipeline"]'), 'Use one of the kinds.');
  end if;
  if v_bundle is not null and not exists (
       select from ops.bundles b where b.sha256 = v_bundle and b.state = 'stored' and ops.may_enter(p_caller, b.workspace)) then
    -- announced only, or another tenant's: as good as none
    perform ops.fail('OPN06', format('there is no bundle %s', left(v_bundle, 80)), '{}', 'Upload the bundle first.');
  end if;
end
$$;

-- functions/edge/check_unreported.sql
-- Guard: as ops.hold_unreported, without its lock: for verbs that only read, and may be answered as of a moment ago.
create or replace function ops.check_unreported(p_token_id uuid, p_run_id uuid, p_epoch bigint) returns void
language plpgsql stable set search_path = ''
as $$
begin
  perform ops.check_attempt_owner(ops.require(p_token_id, array['executor']), p_run_id, p_epoch);
  if not exists (select from ops.leases l
                  where l.run_id = p_run_id and l.epoch = p_epoch and l.reported_at is null) then
    perform ops.lease_lost(p_run_id, p_epoch);
  end if;
end
$$;

-- functions/edge/check_workspaces.sql
-- Refuse a list of workspace names that holds an unknown one (OPN07). Null, meaning all, passes.
create or replace function ops.check_workspaces(p_names text[]) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_unknown text;
begin
  select n into v_unknown from unnest(p_names) n
   where not exists (select from ops.workspaces w where w.workspace = n)
   order by n limit 1;
  if v_unknown is not null then
    perform ops.fail('OPN07', format('there is no workspace %L', v_unknown), jsonb_build_object('workspace', v_unknown),
      'Name one that `control-room workspaces ls` shows.');
  end if;
end
$$;

-- functions/edge/choose_contract_version.sql
-- The newest contract version that both sides speak; OPC08 when there is none. Versions are 'major.minor'.
create or replace function ops.choose_contract_version(p_min text, p_max text) returns text
language plpgsql stable set search_path = ''
as $$
declare
  v_spoken text[] := array(select jsonb_array_elements_text(ops.setting('contract_versions')));
  v_chosen text;
begin
  if coalesce(p_min, '') !~ '^\d{1,4}\.\d{1,4}$' or coalesce(p_max, '') !~ '^\d{1,4}\.\d{1,4}$' then
    perform ops.invalid('/contract', 'must give min and max as "major.minor"');
  end if;
  select v into v_chosen from unnest(v_spoken) v
   where string_to_array(v, '.')::int[]
         between string_to_array(p_min, '.')::int[] and string_to_array(p_max, '.')::int[]
   order by string_to_array(v, '.')::int[] desc limit 1;
  if v_chosen is null then
    perform ops.fail('OPC08',
      format('the control room speaks contract %s; the executor asked for %s to %s',
        array_to_string(v_spoken, ', '), p_min, p_max),
      jsonb_build_object('supported', v_spoken, 'min', p_min, 'max', p_max),
      case when string_to_array(p_min, '.')::int[] > string_to_array(v_spoken[cardinality(v_spoken)], '.')::int[]
           then format('Upgrade the control room, or use an executor that speaks %s.', v_spoken[cardinality(v_spoken)])
           else format('Upgrade the executor to one that speaks %s.', v_spoken[cardinality(v_spoken)]) end);
  end if;
  return v_chosen;
end
$$;

-- functions/edge/chunk_problem.sql
-- What is wrong with a log chunk: path within it and message; message null when it is fine.
create or replace function ops.chunk_problem(p_chunk jsonb, out path text, out message text)
language sql immutable set search_path = ''
as $$
  select x.path, x.message
    from (values
      (1, '', 'must be an object', jsonb_typeof(p_chunk) = 'object'),
      (2, '/stream', 'must be a name in lower case', p_chunk ->> 'stream' ~ '^[a-z][a-z0-9_.-]{0,62}$'),
      (3, '/seq', 'must be a whole number from 0 on', ops.is_natural(p_chunk -> 'seq')),
      (4, '/offset', 'must be a whole number from 0 on', ops.is_natural(p_chunk -> 'offset')),
      (5, '/at', 'must be a time (ISO-8601)', p_chunk ->> 'at' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d'),
      (6, '/text', 'must be text', jsonb_typeof(p_chunk -> 'text') = 'string')) x (n, path, message, fine)
   where x.fine is not true
   order by x.n limit 1
$$;

-- functions/edge/close_upload.sql
-- Mutate: the store has completed an upload in parts, or given it up.
create or replace function ops.close_upload(p_upload_id uuid) returns void
language sql volatile security definer set search_path = ''
as $$
  delete from ops.uploads u where u.upload_id = p_upload_id
$$;

-- functions/edge/condemn_objects.sql
-- The collector's look: of artifacts that were lost or expired longer ago than the setting orphan_safety_hours, at most
-- p_limit, the keys that nobody else needs are condemned. Returns how many artifacts were looked at.
create or replace function ops.condemn_objects(p_limit int) returns int
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_before timestamptz := ops.now() - ops.seconds(3600 * ops.setting_number('orphan_safety_hours'));
  v_lost   record;
  v_count  int := 0;
begin
  for v_lost in
    select a.artifact_id, a.object_key, a.size from ops.artifacts a
     where a.state in ('orphaned', 'expired') and a.settled_at is null and a.object_key is not null
       and coalesce(a.expired_at, a.orphaned_at) <= v_before
     order by a.artifact_id limit p_limit for update skip locked
  loop
    insert into ops.condemned_objects (object_key, size, condemned_at)
    select v_lost.object_key, v_lost.size, ops.now() where not ops.object_is_needed(v_lost.object_key)
    on conflict do nothing;
    update ops.artifacts set settled_at = ops.now() where artifact_id = v_lost.artifact_id;
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;

-- functions/edge/create_login_code.sql
-- Remember a one-time login code by its SHA-256; it opens a session with the caller's rights for ten minutes.
create or replace function ops.create_login_code(p_token_id uuid, p_code_sha256 bytea) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_caller ops.tokens  := ops.require(p_token_id, array['operator', 'viewer']);
  v_ends   timestamptz := ops.now() + ops.seconds(ops.setting_number('login_code_seconds'));
begin
  delete from ops.login_codes c where c.expires_at < ops.now() - interval '1 day';
  insert into ops.login_codes (code_sha256, token_id, created_at, expires_at)
  values (p_code_sha256, v_caller.token_id, ops.now(), v_ends);
  return jsonb_build_object('expires_at', ops.iso(v_ends));
end
$$;

-- functions/edge/create_partition.sql
-- One month's partition of a table partitioned by run id.
create or replace function ops.create_partition(p_parent text, p_name text, p_month timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
  v_next timestamptz := ((p_month at time zone 'UTC') + interval '1 month') at time zone 'UTC';
begin
  execute format('create table ops.%I partition of ops.%I for values from (%L) to (%L)',
    p_name, p_parent, ops.uuid7_floor(p_month), ops.uuid7_floor(v_next));
  if p_parent = 'events' then
    execute format(
      'create trigger %I before truncate on ops.%I for each statement execute function ops.refuse_change()',
      p_name || '_never_truncated', p_name);
  end if;
end
$$;

-- functions/edge/create_token.sql
-- An operator makes a token: p_body {name, role, workspaces, expires_at}. Only the SHA-256 reaches the database.
create or replace function ops.create_token(p_token_id uuid, p_token_sha256 bytea, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator']);
  v_wanted text[]     := ops.text_array(p_body -> 'workspaces', 'workspaces');
begin
  -- Nobody gives away more than they hold.
  if v_caller.workspaces is not null and (v_wanted is null or not v_wanted <@ v_caller.workspaces) then
    perform ops.fail('OPU02', 'a token opens no more workspaces than its maker may enter',
      jsonb_build_object('workspaces', to_jsonb(v_caller.workspaces)), 'Name workspaces of your own.');
  end if;
  return ops.insert_token(p_token_sha256, p_body);
end
$$;

-- functions/edge/data_runs.sql
-- Who made and who read data, of workspaces open to the caller, the newest run first: {items: [{run_id, number,
-- template_name, state, finished_at, side, version}], next_cursor}. p_filters: namespace and name as lineage has them,
-- limit and cursor count runs. A run that read one version and made another has an item for each. Raises OPU01, OPU02,
-- OPV01.
create or replace function ops.data_runs(p_token_id uuid, p_filters jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_limit  int        := ops.page_limit(p_filters, 100, 500);
  v_before bigint     := ops.page_cursor(p_filters ->> 'cursor');
  v_runs   bigint[];
begin
  v_runs := array(
    select distinct r.number
      from ops.lineage_edges e join ops.runs r on r.run_id = e.run_id
     where e.namespace = p_filters ->> 'namespace' and e.name = p_filters ->> 'name'
       and (v_before is null or r.number < v_before) and ops.may_enter(v_caller, r.workspace)
     order by r.number desc limit v_limit + 1);
  return jsonb_build_object(
    'items', (select coalesce(jsonb_agg(jsonb_build_object(
                       'run_id', r.run_id, 'number', r.number, 'template_name', r.template_name, 'state', r.state,
                       'finished_at', ops.iso(r.finished_at), 'side', e.side, 'version', nullif(e.version, ''))
                       order by r.number desc, e.side desc, e.version desc), '[]')
                from ops.runs r join ops.lineage_edges e on e.run_id = r.run_id
               where r.number = any (v_runs[1:v_limit])
                 and e.namespace = p_filters ->> 'namespace' and e.name = p_filters ->> 'name'),
    'next_cursor', case when cardinality(v_runs) > v_limit then v_runs[v_limit]::text end);
end
$$;

-- functions/edge/declare_parts.sql
-- Guard, lock, mutate: the digests of parts that an executor is about to send, {epoch, parts: [{number, sha256}]}.
-- Answers the open upload with all parts declared so far and `conflict`, the numbers declared before with other
-- digests; null when no upload in parts is open. Raises OPV01 for a part that the object does not have.
create or replace function ops.declare_parts(p_token_id uuid, p_run_id uuid, p_artifact_id uuid, p_body jsonb)
returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_artifact ops.artifacts := ops.begun_artifact(p_token_id, p_run_id, p_artifact_id, ops.body_epoch(p_body));
  v_parts    jsonb := coalesce(p_body -> 'parts', '[]');
  v_upload   ops.uploads;
  v_count    bigint;
  v_place    bigint;
begin
  update ops.uploads u set used_at = ops.now()
   where u.run_id = p_run_id and u.object_key = v_artifact.object_key
  returning * into v_upload;
  if v_upload.upload_id is null then
    return null;
  end if;
  v_count := (v_upload.size - 1) / v_upload.part_size + 1;
  select x.ordinality - 1 into v_place from jsonb_array_elements(v_parts) with ordinality x
   where (x.value ->> 'number')::bigint not between 1 and v_count order by x.ordinality limit 1;
  if v_place is not null then
    perform ops.invalid(format('/parts/%s/number', v_place), format('the object has %s parts', v_count));
  end if;
  insert into ops.upload_parts (upload_id, number, sha256)
  select v_upload.upload_id, x.number, x.sha256 from jsonb_to_recordset(v_parts) x (number int, sha256 text)
      on conflict do nothing;
  return ops.upload_json(v_upload) || jsonb_build_object('conflict', (
    select coalesce(jsonb_agg(distinct x.number), '[]') from jsonb_to_recordset(v_parts) x (number int, sha256 text)
      join ops.upload_parts p on p.upload_id = v_upload.upload_id and p.number = x.number and p.sha256 <> x.sha256));
end
$$;

-- functions/edge/drop_partitions.sql
-- Drop the oldest partition of events or logs that is over its time (see ops.old_partitions), and write down that it
-- was: the heads of its chains stay on the runs, and ops.verify_events tells what is gone from what is missing. Returns
-- {dropped: [name], skipped: [name]}; one a call, so that it holds up one table, and never waits long for a lock: the
-- next call tries again. A month whose rows went into a default partition stays there.
create or replace function ops.drop_partitions() returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '2s'
as $$
declare
  v_old     record;
  v_dropped text[] := '{}';
  v_skipped text[] := '{}';
  v_busy    text[] := '{}';
begin
  for v_old in select * from ops.old_partitions() loop
    continue when v_old.parent = any (v_busy);
    begin
      execute format('drop table ops.%I', v_old.name);
      insert into ops.dropped_partitions (name, parent, from_run_id, to_run_id, dropped_at)
      values (v_old.name, v_old.parent, v_old.from_run_id, v_old.to_run_id, ops.now());
      v_dropped := array[v_old.name];
      exit;
    exception when lock_not_available then
      v_skipped := v_skipped || v_old.name;
      v_busy := v_busy || v_old.parent;
    end;
  end loop;
  return jsonb_build_object('dropped', v_dropped, 'skipped', v_skipped);
end
$$;

-- functions/edge/end_session.sql
-- Log out. An unknown or ended session is no error.
create or replace function ops.end_session(p_session_sha256 bytea) returns jsonb
language plpgsql security definer set search_path = ''
as $$
begin
  update ops.sessions s set ended_at = ops.now() where s.session_sha256 = p_session_sha256 and s.ended_at is null;
  return '{}';
end
$$;

-- functions/edge/end_token.sql
-- End a token: its sessions and unspent login codes end with it. Repeating it, or an unknown id, is no error.
create or replace function ops.end_token(p_token_id uuid) returns void
language plpgsql set search_path = ''
as $$
begin
  update ops.tokens t set revoked_at = ops.now() where t.token_id = p_token_id and t.revoked_at is null;
  update ops.sessions s set ended_at = ops.now() where s.token_id = p_token_id and s.ended_at is null;
  delete from ops.login_codes c where c.token_id = p_token_id and c.used_at is null;
end
$$;

-- functions/edge/ensure_partitions.sql
-- Make the monthly partitions of events and logs from this month on, as many ahead as the setting says. A month whose
-- rows already went into the default partition stays there. Never waits long for a lock: the next call tries again.
create or replace function ops.ensure_partitions() returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '2s'
as $$
declare
  v_month   timestamptz;
  v_parent  text;
  v_name    text;
  v_created text[] := '{}';
  v_skipped text[] := '{}';
begin
  for i in 0 .. ops.setting_number('partitions_ahead')::int loop
    v_month := date_trunc('month', ops.now() at time zone 'UTC') at time zone 'UTC';
    v_month := ((v_month at time zone 'UTC') + make_interval(months => i)) at time zone 'UTC';
    foreach v_parent in array array['events', 'run_logs'] loop
      v_name := format('%s_%s', v_parent, to_char(v_month at time zone 'UTC', 'YYYY_MM'));
      continue when to_regclass('ops.' || v_name) is not null;
      begin
        perform ops.create_partition(v_parent, v_name, v_month);
        v_created := v_created || v_name;
      exception when check_violation or lock_not_available then
        v_skipped := v_skipped || v_name;
      end;
    end loop;
  end loop;
  return jsonb_build_object('created', v_created, 'skipped', v_skipped);
end
$$;

-- functions/edge/events_since.sql
-- Events of all runs beyond a cursor 'xid.run_id.seq', for streams and webhooks. Only transactions older than every
-- open one are read: an event that commits late has its turn later and is never skipped. The events of one run come in
-- their order, see ops.events. Null starts at the present.
-- `state` is the one told by the event, workspace lets a server filter. Asked often: at the end of the events it is one
-- probe of events_xid per partition. The object is built in place, since a function per event costs more than the rest.
create or replace function ops.events_since(p_cursor text, p_limit int) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_end   xid8 := pg_snapshot_xmin(pg_current_snapshot());
  v_start text := coalesce(p_cursor, format('%s.%s.0', v_end, '00000000-0000-0000-0000-000000000000'));
  v_items jsonb;
begin
  if v_start !~ '^[0-9]{1,20}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[0-9]{1,18}$' then
    perform ops.invalid('/cursor', 'must be the cursor of a former event', 'Start again without it.');
  end if;
  with page as materialized (
    select x.xid, x.run_id, x.seq, x.type, x.epoch, x.at, x.canonical from ops.events x
     where (x.xid, x.run_id, x.seq) > (split_part(v_start, '.', 1)::xid8, split_part(v_start, '.', 2)::uuid,
                                       split_part(v_start, '.', 3)::bigint)
       and x.xid < v_end
     order by x.xid, x.run_id, x.seq limit p_limit
  )
  select jsonb_agg(jsonb_build_object(
           'cursor', e.xid || '.' || e.run_id || '.' || e.seq,
           'run_id', e.run_id,
           'number', r.number,
           'pipeline_run_id', r.pipeline_run_id,
           'workspace', r.workspace,
           'type', e.type,
           'state', coalesce(e.canonical::jsonb #>> '{data,state}', r.state),
           'at', ops.iso(e.at),
           'seq', e.seq,
           'epoch', e.epoch) order by e.xid, e.run_id, e.seq) into v_items
    from page e
    -- the limit keeps it a probe per event: never a hash of all runs for one page
   cross join lateral (select o.number, o.pipeline_run_id, o.workspace, o.state from ops.runs o
                        where o.run_id = e.run_id limit 1) r;
  return jsonb_build_object('items', coalesce(v_items, '[]'), 'cursor', coalesce(v_items #>> '{-1,cursor}', v_start));
end
$$;

-- functions/edge/executor_json.sql
-- An executor with the runs it holds, as a caller who may see p_workspaces (null: all) is told of it: of these the
-- runs and the names; where its process is (host, pid), only who may steer it, since all its workspaces are open to
-- them.
create or replace function ops.executor_json(p_executor ops.executors, p_workspaces text[]) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'executor_id', (p_executor).executor_id,
    'number', (p_executor).number,
    'name', (p_executor).name,
    'kind', (p_executor).kind,
    'version', (p_executor).version,
    'contract_version', (p_executor).contract_version,
    'capabilities', (p_executor).capabilities,
    'labels', (p_executor).labels,
    'workspaces', case when (p_executor).workspaces is not null then array(select w from unnest((p_executor).workspaces) with ordinality t (w, n)
                         where p_workspaces is null or w = any (p_workspaces) order by n) end,
    'slots', (p_executor).slots,
    'host', case when ops.opens_executor(p_workspaces, p_executor) then (p_executor).host end,
    'pid', case when ops.opens_executor(p_workspaces, p_executor) then (p_executor).pid end,
    'state', ops.executor_state(p_executor),
    'state_at', ops.iso((p_executor).state_at),
    'state_by', (p_executor).state_by,
    'state_reason', (p_executor).state_reason,
    'trouble', (p_executor).trouble,
    'registered_at', ops.iso((p_executor).registered_at),
    'last_seen_at', ops.iso((p_executor).last_seen_at),
    'left_at', ops.iso((p_executor).left_at),
    'running', (select coalesce(jsonb_agg(
                         jsonb_build_object('run_id', r.run_id, 'number', r.number) order by r.number), '[]')
                  from ops.leases l join ops.runs r on r.run_id = l.run_id
                 where l.executor_id = (p_executor).executor_id
                   and (p_workspaces is null or r.workspace = any (p_workspaces))))
$$;

-- functions/edge/executor_state.sql
-- The state of an executor as people see it: active, paused, draining, lost (silent for too long) or left (it said so).
create or replace function ops.executor_state(p_executor ops.executors) returns text
language sql stable set search_path = ''
as $$
  select case
    when (p_executor).state = 'left' then 'left'
    when (p_executor).last_seen_at < ops.now() - ops.seconds(ops.setting_number('executor_alive_seconds')) then 'lost'
    else (p_executor).state
  end
$$;

-- functions/edge/expire_artifacts.sql
-- The retention's look: artifacts over their time are expired, at most p_limit, unless their run is held, or a run
-- that has not ended waits for theirs. Those that a later run reused are kept as long after that one's end, and while
-- that one is held. Their rows stay, with digest and size; the collector takes the bytes.
-- Returns how many.
create or replace function ops.expire_artifacts(p_limit int) returns int
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_count int;
begin
  with over as (
    select a.artifact_id from ops.artifacts a
     where a.state = 'visible' and a.expires_at <= ops.now()
       and not exists (select from ops.legal_holds h join ops.runs r on r.run_id = a.run_id
                        where h.released_at is null and h.run_id in (a.run_id, r.pipeline_run_id))
       and not exists (select from ops.runs u join ops.runs r on r.run_id = a.run_id
                        where u.reused_from = a.run_id
                          and (u.finished_at + (a.expires_at - r.finished_at) > ops.now() or exists (
                                 select from ops.legal_holds h
                                  where h.released_at is null and h.run_id in (u.run_id, u.pipeline_run_id))))
       and not exists (select from ops.run_dependencies d join ops.runs c on c.run_id = d.run_id
                        where d.depends_on in (select a.run_id union all select u.run_id from ops.runs u where u.reused_from = a.run_id)
                          and not ops.is_terminal(c.state))
     order by a.expires_at limit p_limit for update skip locked
  )
  update ops.artifacts a set state = 'expired', expired_at = ops.now() from over o where a.artifact_id = o.artifact_id;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

-- functions/edge/explain_caps.sql
-- Which ceilings hold for a run and where each comes from; the budgets it counts against; what was enforced.
-- Returns {run_id, number, caps: [{cap, limit, given_by, action, grace_seconds, warn, values:
-- [{given_by, limit, action, grace_seconds}]}], budgets: [Budget + {estimate}],
-- ledger: [entry]}. given_by: run, template (its own caps), or platform, workspace, template cap by who set it. Of the
-- same limit the widest is named. Raises OPU01, OPU02, OPN01.
create or replace function ops.explain_caps(p_token_id uuid, p_ref text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_run  ops.runs;
  v_spec jsonb;
begin
  select * into v_run from ops.runs r where r.run_id = ops.resolve_run(p_token_id, p_ref);
  select t.spec into v_spec from ops.templates t where t.template_id = v_run.template_id;
  return jsonb_build_object('run_id', v_run.run_id, 'number', v_run.number,
    'caps', ops.explained_caps(v_run, coalesce(nullif(v_spec -> 'caps', 'null'), '{}')),
    'budgets', (select coalesce(jsonb_agg(ops.budget_json(b) || jsonb_build_object('estimate', l.reserved)
                                          order by b.budget_id), '[]')
                  from unnest(ops.budget_lines(v_run.workspace, v_run.template_name, v_spec -> 'estimate', v_run.caps)) l
                  join ops.budgets b on b.budget_id = l.budget_id),
    'ledger', (select coalesce(jsonb_agg(ops.cap_entry_json(e) order by e.entry_id), '[]')
                 from ops.cap_ledger e where e.run_id = v_run.run_id));
end
$$;

-- functions/edge/explained_caps.sql
-- See ops.explain_caps: its `caps`. p_own: the caps of the template's version, as it gives them.
create or replace function ops.explained_caps(p_run ops.runs, p_own jsonb) returns jsonb
language sql stable set search_path = ''
as $$
  with given as (
    select c.cap, c."limit", c.scope || ' cap' as who, array_position('{platform,workspace,template}', c.scope) as wide,
           c.action, c.grace_seconds
      from ops.caps c
     where c.scope = 'platform' or (c.workspace = (p_run).workspace
           and (c.scope = 'workspace' or c.template_name = (p_run).template_name))
    union all
    select o.key, coalesce(o.value ->> 'limit', o.value #>> '{}')::numeric, 'template', 4, o.value ->> 'action',
           (o.value ->> 'grace_seconds')::numeric
      from jsonb_each(p_own) o
    union all
    select o.key, o.value::numeric, 'run', 5, (p_run).cap_rules #>> array[o.key, 'action'],
           ((p_run).cap_rules #>> array[o.key, 'grace_seconds'])::numeric
      from jsonb_each_text((p_run).caps) o
    union all
    select o.key, (o.value ->> 'warn')::numeric, 'run', 5, 'warn', null
      from jsonb_each(coalesce((p_run).cap_rules, '{}')) o where o.value ? 'warn'
  ), told as (
    -- a run has the caps of its submit's day on record: only what is tighter than all others, or no longer given, is its own
    select * from given g
     where g.wide < 5 or not exists (select from given o where o.cap = g.cap and o.wide < 5 and o."limit" <= g."limit"
                                        and (coalesce(o.action, '') = 'warn') = (coalesce(g.action, '') = 'warn'))
  ), found as (
    select t.cap, bool_or(t.action is distinct from 'warn') as ends,
           (array_agg(t."limit" order by t.action is not distinct from 'warn', t."limit", t.wide))[1] as "limit",
           (array_agg(t.who order by t.action is not distinct from 'warn', t."limit", t.wide))[1] as who,
           jsonb_agg(jsonb_build_object('given_by', t.who, 'limit', t."limit", 'action', t.action,
                                        'grace_seconds', t.grace_seconds) order by t.wide) as "values"
      from told t group by t.cap
  )
  select coalesce(jsonb_agg(jsonb_build_object('cap', x.cap, 'limit', case when x.ends then x."limit" end, 'given_by', x.who,
             'action', case when x.ends then coalesce(r.rules #>> array[x.cap, 'action'], 'cancel') end,
             'grace_seconds', r.rules #> array[x.cap, 'grace_seconds'], 'warn', r.rules #> array[x.cap, 'warn'],
             'values', x."values")
           order by array_position(array(select jsonb_array_elements_text(ops.cap_names())), x.cap)), '[]')
    from found x
   cross join (select ops.effective_rules((p_run).workspace, (p_run).template_name, (p_run).cap_rules) as rules) r
$$;

-- functions/edge/find_earlier.sql
-- What earlier attempts at the same work left, for a run that is held: files that an accepted report made visible.
--   p_body {epoch, of: attempts | success, names: [..]}
-- attempts: of this run, of the run it retries (a task: the task of that key in the pipeline run that its own retries),
-- and so on. success: of the last run of this template's name that succeeded in the workspace, among the newest 100,000
-- runs; further back nobody compares, and without an index that every run would pay for it would be a long search.
-- Returns {attempts: [{run_id, number, epoch, attempt, outcome, template_version, template_digest, artifacts}]}, newest
-- first, at most 10. Raises OPU01, OPU02, OPN01, OPC01.
create or replace function ops.find_earlier(p_token_id uuid, p_run_id uuid, p_body jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_names text[] := array(select jsonb_array_elements_text(p_body -> 'names'));
  v_runs  uuid[];
begin
  perform ops.check_unreported(p_token_id, p_run_id, ops.body_epoch(p_body));
  v_runs := case p_body ->> 'of' when 'success' then ops.last_success(p_run_id) else ops.retried_runs(p_run_id) end;
  return jsonb_build_object('attempts', coalesce((
    select jsonb_agg(to_jsonb(e) - 'place' order by e.place, e.epoch desc)
      from (
        select r.run_id, r.number, a.epoch, a.attempt, a.outcome, r.template_version, t.digest as template_digest,
               f.artifacts, array_position(v_runs, r.run_id) as place
          from ops.runs r
          join ops.attempts a on a.run_id = r.run_id and a.outcome <> 'running'
          join ops.templates t on t.template_id = r.template_id
          cross join lateral (
            select jsonb_agg(ops.artifact_json(x) order by x.name) as artifacts from ops.artifacts x
             where x.run_id = a.run_id and x.epoch = a.epoch and x.name = any (v_names) and x.state = 'visible') f
         where r.run_id = any (v_runs) and f.artifacts is not null
         order by place, a.epoch desc
         limit 10) e), '[]'));
end
$$;

-- functions/edge/former_task.sql
-- The task of that key in the nearest pipeline run that had one of its own, along those that this pipeline run retried.
-- Null when there is none.
create or replace function ops.former_task(p_pipeline_run_id uuid, p_task_key text) returns uuid
language sql stable set search_path = ''
as $$
  with recursive line (run_id, depth) as (
    select p.retry_of, 1 from ops.runs p where p.run_id = p_pipeline_run_id and p.retry_of is not null
    union all
    select p.retry_of, l.depth + 1 from line l join ops.runs p on p.run_id = l.run_id
     where p.retry_of is not null and l.depth < 100)
  select c.run_id from line l join ops.runs c on c.pipeline_run_id = l.run_id and c.task_key = p_task_key
   order by l.depth limit 1
$$;

-- functions/edge/get_artifact.sql
-- One artifact of a workspace that the caller may enter. Executors see what an accepted report made visible, which is
-- what inputs are, and what they upload under a lease of their own; people also see what is still on its way.
create or replace function ops.get_artifact(p_token_id uuid, p_artifact_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller   ops.tokens := ops.require(p_token_id, array['executor', 'operator', 'viewer']);
  v_artifact ops.artifacts;
begin
  select a.* into v_artifact
    from ops.artifacts a
    join ops.runs r on r.run_id = a.run_id
   where a.artifact_id = p_artifact_id and ops.may_enter(v_caller, r.workspace)
     and (v_caller.role <> 'executor' or a.state = 'visible' or exists (
           select from ops.leases l
             join ops.executors e on e.executor_id = l.executor_id
            where l.run_id = a.run_id and l.epoch = a.epoch and e.token_id = p_token_id));
  if v_artifact.artifact_id is null then
    perform ops.fail('OPN04', format('there is no artifact %s to read here', p_artifact_id),
      jsonb_build_object('artifact_id', p_artifact_id), null);
  end if;
  return ops.artifact_json(v_artifact);
end
$$;

-- functions/edge/get_bundle.sql
-- A code bundle whose bytes are in the store; OPN06 otherwise. People see those of the workspaces they may enter. An
-- executor sees one only while it holds the lease of a run whose template names it: a digest alone opens nothing.
-- That its author might read it was checked when the template was put, so any stored copy of these bytes will do.
create or replace function ops.get_bundle(p_token_id uuid, p_sha256 text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['executor', 'operator', 'viewer']);
  v_bundle ops.bundles;
begin
  select * into v_bundle from ops.bundles b
   where b.sha256 = p_sha256 and b.state = 'stored'
     and case when v_caller.role = 'executor' then ops.runs_bundle(v_caller.token_id, p_sha256)
              else ops.may_enter(v_caller, b.workspace) end
   order by b.stored_at limit 1;
  if v_bundle.sha256 is null then
    perform ops.fail('OPN06', format('there is no stored bundle %s to read here', left(p_sha256, 80)), '{}',
      case v_caller.role when 'executor' then 'Fetch it while holding a run of a template that names it.'
                         else 'Apply the template again, which uploads its bundle.' end);
  end if;
  return ops.bundle_json(v_bundle);
end
$$;

-- functions/edge/get_manifest.sql
-- A run's manifest as it was made, null while there is none, and what is on record now, null while the run has not
-- ended: {run_id, number, state, manifest_root, manifest, on_record}. Raises OPU01, OPU02, OPN01.
create or replace function ops.get_manifest(p_token_id uuid, p_ref text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run    ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = ops.resolve_run(v_caller.token_id, p_ref);
  return jsonb_build_object(
    'run_id', v_run.run_id,
    'number', v_run.number,
    'state', v_run.state,
    'manifest_root', v_run.manifest_root,
    'manifest', (select jsonb_build_object('text', m.text, 'sha256', m.sha256, 'root', m.root, 'envelope', m.envelope,
                                           'key_id', m.key_id, 'made_at', ops.iso(m.made_at))
                   from ops.manifests m where m.run_id = v_run.run_id),
    'on_record', ops.manifest_parts(v_run.run_id));
end
$$;

-- functions/edge/get_preview.sql
-- What its attempt told of an artifact's content, {preview}, null when nothing; for whom ops.get_artifact shows it to.
create or replace function ops.get_preview(p_token_id uuid, p_artifact_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform ops.get_artifact(p_token_id, p_artifact_id);
  return jsonb_build_object(
    'preview', (select a.preview from ops.artifacts a where a.artifact_id = p_artifact_id));
end
$$;

-- functions/edge/get_run.sql
-- One run with all that its page shows.
create or replace function ops.get_run(p_token_id uuid, p_ref text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run    ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = ops.resolve_run(v_caller.token_id, p_ref);
  return ops.run_json(v_run) || jsonb_build_object(
    'template_digest', (select t.digest from ops.templates t where t.template_id = v_run.template_id),
    'retried_as', (select coalesce(jsonb_agg(r.number order by r.number), '[]') from ops.runs r
                    where r.retry_of = v_run.run_id),
    'attempts', ops.run_attempts(v_run.run_id),
    'depends_on', ops.run_parents(v_run.run_id),
    'publications', ops.run_publications(v_run),
    'children', (select coalesce(jsonb_agg(ops.run_json(c) order by c.number), '[]')
                   from ops.runs c where c.pipeline_run_id = v_run.run_id),
    'cap_ledger', (select coalesce(jsonb_agg(ops.cap_entry_json(l) order by l.entry_id), '[]')
                     from ops.cap_ledger l where l.run_id in (select ops.run_family(v_run))),
    'counts', (select jsonb_build_object('events', v_run.event_seq,
                        'children', (select coalesce(jsonb_object_agg(c.state, c.runs), '{}') from (
                          select r.state, count(*) as runs from ops.runs r
                           where r.pipeline_run_id = v_run.run_id group by r.state) c))));
end
$$;

-- functions/edge/get_template.sql
-- One template with its spec: the newest version unless one is named. Of several workspaces, unless one is named, the
-- default one's comes first.
create or replace function ops.get_template(p_token_id uuid, p_name text, p_version int, p_workspace text default null)
returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller   ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_template ops.templates;
begin
  select * into v_template from ops.templates t
   where t.name = p_name and (p_version is null or t.version = p_version) and ops.may_enter(v_caller, t.workspace)
     and (p_workspace is null or t.workspace = p_workspace)
   order by (t.workspace = 'default') desc, t.workspace, t.version desc limit 1;
  if v_template.template_id is null then
    perform ops.fail('OPN02',
      format('there is no template %L', p_name) || coalesce(format(' in version %s', p_version), ''),
      jsonb_build_object('template', p_name), 'See `control-room templates ls`.');
  end if;
  return ops.template_json(v_template) || jsonb_build_object('versions', (
    select jsonb_agg(t.version order by t.version) from ops.templates t
     where t.workspace = v_template.workspace and t.name = v_template.name));
end
$$;

-- functions/edge/hold_json.sql
-- The legal hold of a run, of itself or of its pipeline: {reason, placed_at, placed_by}; null when there is none.
create or replace function ops.hold_json(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('reason', h.reason, 'placed_at', ops.iso(h.placed_at), 'placed_by', h.placed_by)
    from ops.legal_holds h
   where h.released_at is null and h.run_id in ((p_run).run_id, (p_run).pipeline_run_id)
   order by h.hold_id limit 1
$$;

-- functions/edge/hold_run.sql
-- A legal hold: the artifacts of a run, of a pipeline those of all its tasks, are removed by no retention until it is
-- released. Placing it again is no error and changes nothing.
--   p_body {reason}
-- Returns the Run. Raises OPU01, OPU02, OPN01, OPV01.
create or replace function ops.hold_run(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token  ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id uuid       := ops.resolve_run(p_token_id, p_ref);
  v_reason text       := ops.checked_reason(p_body);
begin
  if v_reason is null then
    perform ops.invalid('/reason', 'is required: why nothing of this run may be removed');
  end if;
  insert into ops.legal_holds (run_id, reason, placed_at, placed_by)
  values (v_run_id, v_reason, ops.now(), v_token.name) on conflict (run_id) where released_at is null do nothing;
  return ops.run_json(v_run_id);
end
$$;

-- functions/edge/hold_unreported.sql
-- Guard and lock as ops.hold_lease, for what must come before the report: an attempt whose report was accepted (its
-- publications are still going out) adds nothing more. Raises what ops.hold_lease raises, OPC01 for the reported one.
create or replace function ops.hold_unreported(p_token_id uuid, p_run_id uuid, p_epoch bigint) returns ops.leases
language plpgsql volatile set search_path = ''
as $$
declare
  v_lease ops.leases := ops.hold_lease(p_token_id, p_run_id, p_epoch);
begin
  if v_lease.reported_at is not null then
    perform ops.fail('OPC01', format('run %s: epoch %s has reported and adds nothing more', p_run_id, p_epoch),
      jsonb_build_object('run_id', p_run_id, 'epoch_sent', p_epoch, 'epoch_current', p_epoch, 'reason', 'terminal',
        'run_state', (select r.state from ops.runs r where r.run_id = p_run_id)),
      'Send artifacts before the report.');
  end if;
  return v_lease;
end
$$;

-- functions/edge/home_workspace.sql
-- Where a caller's things go that name no workspace: `default`, or the first one of a token that does not open it.
create or replace function ops.home_workspace(p_caller ops.tokens) returns text
language sql immutable set search_path = ''
as $$
  select case when ops.may_enter(p_caller, 'default') then 'default' else (p_caller).workspaces[1] end
$$;

-- functions/edge/info.sql
-- What this database is: needs no token, holds nothing private.
create or replace function ops.info() returns jsonb
language sql stable security definer set search_path = ''
as $$
  select jsonb_build_object(
    'schema_version', (select max(m.version) from ops.schema_migrations m),
    'database_version', current_setting('server_version'),
    'server_time', ops.iso(ops.now()),
    'contract_versions', ops.setting('contract_versions'),
    'kinds', ops.setting('kinds'),
    'lakehouse_root', ops.setting('lakehouse_root'))
$$;

-- functions/edge/insert_token.sql
-- Store a token by its SHA-256. The same SHA-256 with the same rights again answers the same token; with others, OPV01.
create or replace function ops.insert_token(p_token_sha256 bytea, p_body jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_token      ops.tokens;
  v_workspaces text[] := ops.text_array(p_body -> 'workspaces', 'workspaces');
begin
  if coalesce(p_body ->> 'role', '') not in ('operator', 'viewer', 'executor') then
    perform ops.invalid('/role', 'must be operator, viewer or executor');
  end if;
  if coalesce(btrim(p_body ->> 'name'), '') = '' or length(p_body ->> 'name') > 200 then
    perform ops.invalid('/name', 'must have 1 to 200 characters');
  end if;
  if p_token_sha256 is null or octet_length(p_token_sha256) <> 32 then
    perform ops.invalid('/token_sha256', 'must be 32 bytes');
  end if;
  perform ops.check_workspaces(v_workspaces);

  insert into ops.tokens as t (token_id, token_sha256, role, name, workspaces, created_at, expires_at)
  values (ops.uuid7(), p_token_sha256, p_body ->> 'role', p_body ->> 'name', v_workspaces, ops.now(),
          (p_body ->> 'expires_at')::timestamptz)
  on conflict (token_sha256) do nothing;

  select * into v_token from ops.tokens t where t.token_sha256 = p_token_sha256;
  if (v_token.role, v_token.name) <> (p_body ->> 'role', p_body ->> 'name')
     or v_token.workspaces is distinct from v_workspaces then
    perform ops.fail('OPV01', 'this token is already registered with other rights', '{}', 'Make a new token.');
  end if;
  return ops.principal_json(v_token) || jsonb_build_object('expires_at', ops.iso(v_token.expires_at));
end
$$;

-- functions/edge/interoperable.sql
-- A JSON value in which every number is one that any reader of JSON keeps (RFC 7493: a double, or a whole number below
-- 2^53). Any other, such as the snapshot id of an Iceberg table, becomes text.
create or replace function ops.interoperable(p_value jsonb) returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  v_number numeric;
begin
  if p_value::text !~ '[0-9.]{16}' then  -- no number that long: nothing to look for
    return p_value;
  end if;
  case jsonb_typeof(p_value)
    when 'object' then
      return (select jsonb_object_agg(m.key, ops.interoperable(m.value)) from jsonb_each(p_value) m);
    when 'array' then
      return (select jsonb_agg(ops.interoperable(m.value) order by m.ordinality)
                from jsonb_array_elements(p_value) with ordinality m);
    when 'number' then
      v_number := p_value::numeric;
      if v_number = trunc(v_number) then
        return case when abs(v_number) < 9007199254740992 then p_value else to_jsonb(p_value::text) end;
      elsif abs(v_number) between 1e-300 and 1e300 and v_number = v_number::float8::text::numeric then
        return p_value;
      end if;
      return to_jsonb(p_value::text);
    else
      return p_value;
  end case;
end
$$;

-- functions/edge/is_natural.sql
-- Whether a JSON value is a whole number from 0 on that fits a bigint (the snapshot ids of Iceberg use all of it).
create or replace function ops.is_natural(p_value jsonb) returns boolean
language sql immutable set search_path = ''
as $$
  select case when jsonb_typeof(p_value) is not distinct from 'number' and p_value #>> '{}' ~ '^[0-9]{1,19}$'
              then (p_value #>> '{}')::numeric <= 9223372036854775807 else false end
$$;

-- functions/edge/last_success.sql
-- The last run of the same template's name that succeeded in the workspace of this one, as an array of one or none.
create or replace function ops.last_success(p_run_id uuid) returns uuid[]
language sql stable set search_path = ''
as $$
  select array(
    select s.run_id from ops.runs r
      join ops.runs s on s.number < r.number and s.number > r.number - 100000
       and s.workspace = r.workspace and s.template_name = r.template_name and s.state = 'succeeded'
     where r.run_id = p_run_id
     order by s.number desc
     limit 1)
$$;

-- functions/edge/lead.sql
-- Take or renew a duty for some seconds: true for its one holder, false for the others until it lapses.
create or replace function ops.lead(p_name text, p_holder text, p_seconds double precision) returns boolean
language plpgsql security definer set search_path = ''
as $$
declare
  v_ends timestamptz := ops.now() + make_interval(secs => p_seconds);
begin
  insert into ops.leadership as l (name, holder, acquired_at, expires_at) values (p_name, p_holder, ops.now(), v_ends)
  on conflict (name) do update
     set holder = excluded.holder,
         term = l.term + (l.holder <> excluded.holder)::int,
         acquired_at = case when l.holder = excluded.holder then l.acquired_at else excluded.acquired_at end,
         expires_at = excluded.expires_at
   where l.holder = excluded.holder or l.expires_at <= ops.now();
  return found;
end
$$;

-- functions/edge/leave_executor.sql
-- leaveExecutor: the process has drained and goes. What it still holds and has not reported it gives back: the epoch
-- rises, the attempt is expired, and the run is routed at once. That is nobody's failure: it counts neither as an
-- expiration nor as one of the run's attempts. A run whose rerun is unsafe waits for a person, one that was to be
-- cancelled is cancelled; one whose report was accepted is left to the reactor. Whatever the executor still sends of
-- them is refused. Repeating is no error.
--
-- It does not close the claims' gate (it waits for runs, see adr/0007): a claim of this same executor that is under way
-- keeps what it brings until that lease ends. The executor's row is locked last: heartbeats lock leases before it.
-- Raises OPU01, OPU02, OPN03.
create or replace function ops.leave_executor(p_token_id uuid, p_executor_id uuid) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_held uuid[];
begin
  perform ops.require(p_token_id, array['executor']);
  if not exists (select from ops.executors e where e.executor_id = p_executor_id and e.token_id = p_token_id) then
    perform ops.fail('OPN03', format('no executor %s is registered with this token', p_executor_id),
      jsonb_build_object('executor_id', p_executor_id), 'Register first.');
  end if;
  v_held := ops.lock_held(p_executor_id);

  perform ops.gather_ready(true);
  perform ops.sweep_each(array_fill('release_one'::text, array[cardinality(v_held)]), v_held,
                         ops.executor_actor(p_executor_id));
  update ops.executors e
     set state = 'left', left_at = coalesce(e.left_at, ops.now()), last_seen_at = ops.now()
   where e.executor_id = p_executor_id;
  perform ops.notify_gathered();
  return '{}';
end
$$;

-- functions/edge/lineage_fact.sql
-- One event of ops.events_since with what lineage tells of its run. What it made stands in that of its success alone.
create or replace function ops.lineage_fact(p_event jsonb) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
           'run_id', r.run_id, 'seq', p_event -> 'seq', 'type', p_event -> 'type', 'at', p_event -> 'at',
           'number', r.number, 'workspace', r.workspace, 'template_name', r.template_name,
           'template_version', r.template_version, 'template_digest', t.digest, 'task_key', r.task_key, 'kind', r.kind,
           'attempt', a.attempt, 'nominal_start', ops.iso(coalesce(r.not_before, r.submitted_at)),
           'nominal_end', ops.iso(r.deadline), 'bundle', ops.bundle_ref(t.spec), 'inputs', r.inputs,
           'sql', t.spec #> '{config,sql}',
           'pipeline', case when p.run_id is not null then jsonb_build_object(
             'run_id', p.run_id, 'workspace', p.workspace, 'template_name', p.template_name) end,
           'executor', case when x.executor_id is not null then jsonb_build_object(
             'name', x.name, 'kind', x.kind, 'version', x.version, 'versions', x.capabilities -> 'versions') end)
         || case when p_event ->> 'type' in ('run.succeeded', 'run.failed', 'run.cancelled', 'run.skipped')
                 then jsonb_build_object('usage', r.usage, 'caps', r.caps, 'cost', ops.run_cost(r),
                        'error', r.error, 'reason', r.state_reason, 'ledger', (
                          select coalesce(jsonb_agg(ops.cap_entry_json(l) order by l.entry_id), '[]')
                            from ops.cap_ledger l where l.run_id = r.run_id))
                 when p_event ->> 'type' = 'run.retry_scheduled' then jsonb_build_object('error', a.error)
                 else '{}' end
         || case when p_event ->> 'type' = 'run.succeeded' then jsonb_build_object('outputs', ops.lineage_outputs(r))
                 else '{}' end
    from ops.runs r
    join ops.templates t on t.template_id = r.template_id
    left join ops.runs p on p.run_id = r.pipeline_run_id
    left join ops.attempts a on a.run_id = r.run_id and a.epoch = (p_event ->> 'epoch')::bigint
    left join ops.executors x on x.executor_id = a.executor_id
   where r.run_id = (p_event ->> 'run_id')::uuid
$$;

-- functions/edge/lineage_facts.sql
-- What happened to runs since the last look and is told as lineage: {cursor, next, items: [fact]}, in the order of the
-- events. ops.record_lineage takes what was made of it, with both cursors.
create or replace function ops.lineage_facts(p_limit int) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_cursor text := coalesce((select d.place from ops.duties d where d.name = 'lineage'),
                            '0.00000000-0000-0000-0000-000000000000.0');
  v_page   jsonb := ops.events_since(v_cursor, p_limit);
begin
  return jsonb_build_object('cursor', v_cursor, 'next', v_page -> 'cursor', 'items', (
    select coalesce(jsonb_agg(ops.lineage_fact(e.value) order by e.n), '[]')
      from jsonb_array_elements(v_page -> 'items') with ordinality e (value, n)
     where e.value ->> 'type' in ('run.started', 'run.publishing', 'run.retry_scheduled', 'run.succeeded', 'run.failed',
                                  'run.cancelled', 'run.skipped')));
end
$$;

-- functions/edge/lineage_outputs.sql
-- The data that a run left: committed publications, tables that its engine wrote, the first hundred of its files.
create or replace function ops.lineage_outputs(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce((select jsonb_agg(jsonb_build_object(
             'uri', case p.format when 'iceberg' then coalesce(p.location, p.uri) else p.uri end, 'format', p.format,
             'version', p.table_version, 'schema', p.schema, 'rows', p.rows,
             'files', jsonb_array_length(p.files),
             'size', (select sum((f ->> 'size')::numeric) from jsonb_array_elements(p.files) f)) order by p.output)
           from ops.publications p where p.run_id = (p_run).run_id and p.state = 'committed'), '[]')
      || coalesce((select jsonb_agg(jsonb_build_object(
             'uri', f.table_ref -> 'uri', 'format', f.table_ref -> 'format', 'version', f.table_ref -> 'version',
             'schema', f.metadata -> 'schema', 'rows', f.metadata -> 'rows', 'files', null, 'size', null) order by f.name)
           from ops.artifacts f
          where f.run_id = (p_run).run_id and f.state = 'visible' and f.table_ref is not null), '[]')
      || coalesce((select jsonb_agg(jsonb_build_object('sha256', f.sha256, 'name', f.name, 'size', f.size) order by f.name)
           from (select * from ops.artifacts x
                  where x.run_id = (p_run).run_id and x.state = 'visible' and x.kind in ('file', 'model')
                    and x.sha256 is not null order by x.name limit 100) f), '[]')
$$;

-- functions/edge/lineage_side.sql
-- See ops.run_lineage: its inputs or outputs. p_side is `input` or `output`; the runs are those of the other side.
create or replace function ops.lineage_side(p_run ops.runs, p_side text, p_caller ops.tokens) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('namespace', d.namespace, 'name', d.name, 'version', nullif(d.version, ''),
           'runs', (select coalesce(jsonb_agg(jsonb_build_object('run_id', o.run_id, 'number', o.number,
                             'template_name', o.template_name) order by o.number desc), '[]')
                      from (select r.run_id, r.number, r.template_name
                              from ops.lineage_edges e join ops.runs r on r.run_id = e.run_id
                             where e.namespace = d.namespace and e.name = d.name and e.side <> p_side
                               and (d.version = '' or e.version = '' or e.version = d.version)
                               and ops.may_enter(p_caller, r.workspace)
                             order by r.number desc limit 50) o))
           order by d.namespace, d.name, d.version), '[]')
    from (select distinct e.namespace, e.name, e.version from ops.lineage_edges e
           where e.run_id in (select ops.run_family(p_run)) and e.side = p_side) d
$$;

-- functions/edge/list_budgets.sql
-- The budgets in force with their balances, and the latest warnings: {items, warnings}. Raises OPU01, OPU02.
create or replace function ops.list_budgets(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
begin
  return jsonb_build_object(
    'items', (select coalesce(jsonb_agg(ops.budget_json(b) order by
                       array_position('{platform,workspace,template}', b.scope), b.workspace, b.template_name, b.unit,
                       b.period), '[]')
                from ops.budgets b
               where b.removed_at is null and (b.workspace is null or ops.may_enter(v_caller, b.workspace))),
    'warnings', (select coalesce(jsonb_agg(jsonb_build_object(
                          'budget_id', w.budget_id, 'scope', w.scope, 'workspace', w.workspace,
                          'template_name', w.template_name, 'unit', w.unit, 'period', w.period,
                          'threshold', w.threshold, 'used', w.used, 'limit', w."limit", 'at', ops.iso(w.at))
                          order by w.warning_id desc), '[]')
                   from (select x.*, b.scope, b.workspace, b.template_name, b.unit, b.period
                           from ops.budget_warnings x join ops.budgets b on b.budget_id = x.budget_id
                          where b.workspace is null or ops.may_enter(v_caller, b.workspace)
                          order by x.warning_id desc limit 100) w));
end
$$;

-- functions/edge/list_caps.sql
-- The caps in force by scope, and the latest enforcements, each with the number and the template of its run.
create or replace function ops.list_caps(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
begin
  return jsonb_build_object(
    'items', (select coalesce(jsonb_agg(ops.cap_json(c) order by
                       array_position('{platform,workspace,template}', c.scope), c.workspace, c.template_name, c.cap), '[]')
                from ops.caps c where c.workspace is null or ops.may_enter(v_caller, c.workspace)),
    'ledger', (select coalesce(jsonb_agg(ops.cap_entry_json(l.entry)
                        || jsonb_build_object('number', l.number, 'template_name', l.template_name)
                        order by (l.entry).entry_id desc), '[]')
                 from (select x as entry, r.number, r.template_name
                         from ops.cap_ledger x join ops.runs r on r.run_id = x.run_id
                        where ops.may_enter(v_caller, r.workspace) order by x.entry_id desc limit 100) l));
end
$$;

-- functions/edge/list_collection.sql
-- What the collector would take, and nothing is changed: {safety_hours, lost: {artifacts, bytes} that wait for their
-- safety window, collectable: {objects, bytes}, uploads: {open, collectable} in parts, expiring: {artifacts, bytes} by
-- retention in the next seven days, held, items: the first 200 objects to be taken [{object_key, size, run_number,
-- name, state, since}]}. Raises OPU01, OPU02.
create or replace function ops.list_collection(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_before timestamptz := ops.now() - ops.seconds(3600 * ops.setting_number('orphan_safety_hours'));
begin
  perform ops.require_everywhere(p_token_id, '{operator,viewer}');
  return (
    with lost as (
      select a.*, coalesce(a.expired_at, a.orphaned_at) as since from ops.artifacts a
       where a.state in ('orphaned', 'expired') and a.settled_at is null and a.object_key is not null
         and not ops.object_is_needed(a.object_key)
    ), due as (
      select distinct on (l.object_key) l.object_key, l.size, l.run_id, l.name, l.state, l.since from lost l
       where l.since <= v_before order by l.object_key, l.since
    ), condemned as (
      select c.object_key, c.size from ops.condemned_objects c where c.state in ('condemned', 'deleting')
    )
    select jsonb_build_object(
      'safety_hours', ops.setting('orphan_safety_hours'),
      'lost', (select jsonb_build_object('artifacts', count(*), 'bytes', coalesce(sum(l.size), 0)) from lost l
                where l.since > v_before),
      'collectable', (select jsonb_build_object('objects', count(*), 'bytes', coalesce(sum(x.size), 0))
                        from (select d.object_key, d.size from due d union select * from condemned) x),
      'uploads', jsonb_build_object('open', (select count(*) from ops.uploads),
                   'collectable', jsonb_array_length(ops.stale_uploads(1000000))),
      'expiring', (select jsonb_build_object('artifacts', count(*), 'bytes', coalesce(sum(a.size), 0))
                     from ops.artifacts a where a.state = 'visible' and a.expires_at <= ops.now() + interval '7 days'),
      'held', (select count(*) from ops.legal_holds h where h.released_at is null),
      'items', (select coalesce(jsonb_agg(jsonb_build_object('object_key', d.object_key, 'size', d.size,
                         'run_number', r.number, 'name', d.name, 'state', d.state, 'since', ops.iso(d.since))
                         order by d.since, d.object_key), '[]')
                  from (select * from due order by since, object_key limit 200) d
                  join ops.runs r on r.run_id = d.run_id)));
end
$$;

-- functions/edge/list_executors.sql
-- The executors seen lately (a week) that may work in a workspace of the caller's, most recent first, each as
-- ops.executor_json tells it. Returns {items: [Executor]}. Raises OPU01, OPU02.
create or replace function ops.list_executors(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
begin
  return jsonb_build_object('items', coalesce((
    select jsonb_agg(ops.executor_json(e, v_caller.workspaces) order by e.last_seen_at desc, e.number desc)
      from (select * from ops.executors x where x.last_seen_at > ops.now() - interval '7 days'
               and (v_caller.workspaces is null or x.workspaces is null or x.workspaces && v_caller.workspaces)
             order by x.last_seen_at desc limit 500) e),
    '[]'));
end
$$;

-- functions/edge/list_prices.sql
-- The price lists, the newest first: {items}. Raises OPU01, OPU02.
create or replace function ops.list_prices(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform ops.require(p_token_id, array['operator', 'viewer']);
  return jsonb_build_object('items', (select coalesce(jsonb_agg(ops.prices_json(l) order by l.valid_from desc, l.version desc), '[]')
                                        from ops.price_lists l));
end
$$;

-- functions/edge/list_runs.sql
-- Runs, newest first. p_filters: state [..], reason, kind, template, pipeline (ref), workspace, q, top_level, limit,
-- cursor.
-- Pages follow the run's number, so that new runs never shift a page.
create or replace function ops.list_runs(p_token_id uuid, p_filters jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller   ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_states   text[] := ops.text_array(p_filters -> 'state', 'state');
  v_limit    int    := ops.page_limit(p_filters, 50, 500);
  v_before   bigint := ops.page_cursor(p_filters ->> 'cursor');
  v_pipeline uuid   := case when p_filters ->> 'pipeline' is not null
                            then ops.resolve_run(p_token_id, p_filters ->> 'pipeline') end;
  v_q        text   := nullif(btrim(p_filters ->> 'q'), '');
  v_page     ops.runs[];
begin
  perform ops.check_states(v_states);
  v_page := array(
    select r from ops.runs r
     where (v_before is null or r.number < v_before)
       and (v_caller.workspaces is null or r.workspace = any (v_caller.workspaces))
       and (p_filters ->> 'workspace' is null or r.workspace = p_filters ->> 'workspace')
       and (coalesce(cardinality(v_states), 0) = 0 or r.state = any (v_states))
       and (p_filters ->> 'reason' is null or r.state_reason = p_filters ->> 'reason')
       and (p_filters ->> 'kind' is null or r.kind = p_filters ->> 'kind')
       and (p_filters ->> 'template' is null or r.template_name = p_filters ->> 'template')
       and (v_pipeline is null or r.pipeline_run_id = v_pipeline)
       and (not coalesce((p_filters ->> 'top_level')::boolean, false) or r.pipeline_run_id is null)
       and (v_q is null or ops.run_matches(r, v_q))
     order by r.number desc limit v_limit + 1);
  return jsonb_build_object(
    'items', (select coalesce(jsonb_agg(ops.run_json(r) order by r.number desc), '[]')
                from unnest(v_page[1:v_limit]) r),
    'next_cursor', case when cardinality(v_page) > v_limit then (v_page[v_limit]).number::text end);
end
$$;

-- functions/edge/list_signing_keys.sql
-- The public keys of those that signed manifests, the newest first: {items}. Raises OPU01, OPU02.
create or replace function ops.list_signing_keys(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform ops.require(p_token_id, array['operator', 'viewer']);
  return jsonb_build_object('items', (
    select coalesce(jsonb_agg(jsonb_build_object(
             'key_id', k.key_id,
             'algorithm', 'ed25519',
             'public_key', encode(k.public_key, 'hex'),
             'valid_from', ops.iso(k.valid_from),
             'retired_at', ops.iso(k.retired_at)) order by k.valid_from desc), '[]')
      from ops.signing_keys k));
end
$$;

-- functions/edge/list_templates.sql
-- The newest version of each template that the caller may see, by name.
create or replace function ops.list_templates(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
begin
  return jsonb_build_object('items', coalesce((
    select jsonb_agg(ops.template_json(t) order by t.name, t.workspace)
      from ops.templates t
     where ops.may_enter(v_caller, t.workspace)
       and t.version = (select max(n.version) from ops.templates n
                         where n.workspace = t.workspace and n.name = t.name)),
    '[]'));
end
$$;

-- functions/edge/list_workspaces.sql
-- The workspaces that the caller may enter.
create or replace function ops.list_workspaces(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer', 'executor']);
begin
  return jsonb_build_object('items', coalesce((
    select jsonb_agg(jsonb_build_object('name', w.workspace, 'description', w.description,
             'created_at', ops.iso(w.created_at)) order by w.workspace)
      from ops.workspaces w where ops.may_enter(v_caller, w.workspace)), '[]'));
end
$$;

-- functions/edge/log_cursor.sql
-- Where a reader of a run's logs stands: (epoch, stream, seq) read last, from the text 'epoch:stream:seq,...' that the
-- former page answered as `next`. One entry per stream, because streams grow side by side.
create or replace function ops.log_cursor(p_after text) returns table (epoch bigint, stream text, seq bigint)
language plpgsql immutable set search_path = ''
as $$
begin
  if p_after !~ '^([0-9]{1,18}:[a-z][a-z0-9_.-]{0,62}:[0-9]{1,18}(,|$))*$' then
    perform ops.invalid('/after', 'must be what a former page answered as `next`', 'Start again without it.');
  end if;
  return query
    select split_part(part, ':', 1)::bigint, split_part(part, ':', 2), split_part(part, ':', 3)::bigint
      from unnest(string_to_array(p_after, ',')) part where part <> '';
end
$$;

-- functions/edge/log_positions.sql
-- Where each stream of an attempt's log stands: (stream, next_seq, next_offset). Walks the primary key from stream to
-- stream, so it costs as many index probes as there are streams, however long the log is.
create or replace function ops.log_positions(p_run_id uuid, p_epoch bigint)
returns table (stream text, next_seq bigint, next_offset bigint)
language sql stable set search_path = ''
as $$
  with recursive streams (stream) as (
    select min(l.stream) from ops.run_logs l where l.run_id = p_run_id and l.epoch = p_epoch
    union all
    select (select min(l.stream) from ops.run_logs l
             where l.run_id = p_run_id and l.epoch = p_epoch and l.stream > s.stream)
      from streams s where s.stream is not null
  )
  select s.stream, last.seq + 1, last."offset" + octet_length(last.text)
    from streams s
   cross join lateral (
     select l.seq, l."offset", l.text from ops.run_logs l
      where l.run_id = p_run_id and l.epoch = p_epoch and l.stream = s.stream
      order by l.seq desc limit 1) last
   where s.stream is not null
$$;

-- functions/edge/manifest_attempts.sql
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

-- functions/edge/manifest_environment.sql
-- For a manifest: the executors that worked at a run, as they registered; that never changes.
create or replace function ops.manifest_environment(p_run_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
      'executor_id', e.executor_id,
      'number', e.number,
      'name', e.name,
      'kind', e.kind,
      'version', e.version,
      'contract_version', e.contract_version,
      'host', e.host,
      'capabilities', e.capabilities,
      'labels', e.labels) order by e.executor_id), '[]')
    from ops.executors e
   where e.executor_id in (select a.executor_id from ops.attempts a where a.run_id = p_run_id)
$$;

-- functions/edge/manifest_outputs.sql
-- For a manifest: what a run left for others, {artifacts, publications}. Artifacts that no accepted report made visible
-- are none of it. Statistics of published files are left out: their bytes say the same.
create or replace function ops.manifest_outputs(p_run_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'artifacts', (
      select coalesce(jsonb_agg(jsonb_build_object(
          'artifact_id', a.artifact_id,
          'epoch', a.epoch,
          'name', a.name,
          'kind', a.kind,
          'media_type', a.media_type,
          'size', a.size,
          'sha256', a.sha256,
          'table', a.table_ref,
          'metadata', a.metadata,
          'expires_at', ops.iso(a.expires_at)) order by a.epoch, a.name collate "C"), '[]')
        from ops.artifacts a where a.run_id = p_run_id and a.state in ('visible', 'expired')),
    'publications', (
      select coalesce(jsonb_agg(jsonb_build_object(
          'output', p.output,
          'epoch', p.epoch,
          'format', p.format,
          'mode', p.mode,
          'uri', p.uri,
          'state', p.state,
          'table_version', p.table_version,
          'location', p.location,
          'rows', p.rows,
          'schema', p.schema,
          'partition_by', p.partition_by,
          'app_id', p.app_id,
          'error', p.error - 'trace',
          'files', (select coalesce(jsonb_agg(f.value - 'stats' order by f.ordinality), '[]')
                      from jsonb_array_elements(p.files) with ordinality f))
          order by p.epoch, p.output collate "C"), '[]')
        from ops.publications p where p.run_id = p_run_id))
$$;

-- functions/edge/manifest_parts.sql
-- What a manifest of a run says, all of it as it is on record now: one statement, so one moment. `events` is the head
-- of the run's chain, `tasks` of a pipeline name their manifests' roots. Null for a run that has not ended;
-- raises OPN01.
-- Of a run that reused what another left, the outputs are that one's, which is named.
-- Numbers are such as canonical JSON keeps (ops.interoperable).
create or replace function ops.manifest_parts(p_run_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_parts jsonb;
begin
  select case when r.finished_at is not null then jsonb_build_object(
      'schema', 'control-room/manifest/1',
      'run', jsonb_build_object(
        'run_id', r.run_id, 'number', r.number, 'workspace', r.workspace, 'kind', r.kind, 'task_key', r.task_key,
        'template', jsonb_build_object('name', t.name, 'version', t.version, 'digest', t.digest),
        'labels', r.labels, 'outputs', r.outputs, 'traceparent', r.traceparent),
      'reused_from', (select jsonb_build_object('run_id', o.run_id, 'number', o.number)
                        from ops.runs o where o.run_id = r.reused_from),
      'params', r.params,
      'code', jsonb_build_object('bundle', (
        select jsonb_build_object('sha256', b.sha256, 'size', b.size) from ops.bundles b
         where b.workspace = t.workspace and b.sha256 = t.spec #>> '{bundle,sha256}'),
        'entrypoint', t.spec -> 'entrypoint'),
      'environment', ops.manifest_environment(r.run_id),
      'inputs', r.inputs,
      'caps', r.caps,
      'cap_rules', coalesce(r.cap_rules, '{}'),
      'usage', r.usage,
      'attempts', ops.manifest_attempts(r),
      'trigger', jsonb_build_object(
        'submitted_by', r.submitted_by, 'submitted_at', ops.iso(r.submitted_at), 'retry_of', r.retry_of,
        'reproduces', r.reproduces,
        'pipeline_run_id', r.pipeline_run_id, 'deadline', ops.iso(r.deadline),
        'depends_on', (select coalesce(jsonb_agg(jsonb_build_object('run_id', d.depends_on, 'inputs', d.inputs)
                                                 order by d.depends_on), '[]')
                         from ops.run_dependencies d where d.run_id = r.run_id)),
      'outcome', jsonb_build_object(
        'state', r.state, 'state_reason', r.state_reason, 'started_at', ops.iso(r.started_at),
        'finished_at', ops.iso(r.finished_at), 'cancel_reason', r.cancel_reason, 'result', r.result,
        'error', r.error - 'trace'),
      'tasks', (select coalesce(jsonb_agg(jsonb_build_object(
                    'run_id', c.run_id, 'task_key', c.task_key, 'state', c.state, 'manifest_root', c.manifest_root)
                    order by c.run_id), '[]')
                  from ops.runs c where c.pipeline_run_id = r.run_id),
      'events', jsonb_build_object('length', r.event_seq, 'head', encode(r.event_head, 'hex')))
      || ops.manifest_outputs(coalesce(r.reused_from, r.run_id)) else 'null' end
    into v_parts
    from ops.runs r join ops.templates t on t.template_id = r.template_id
   where r.run_id = p_run_id;
  if v_parts is null then
    perform ops.fail('OPN01', format('there is no run %s', p_run_id));
  end if;
  return nullif(ops.interoperable(v_parts), 'null');
end
$$;

-- functions/edge/may_enter.sql
-- Whether a caller's token opens a workspace.
create or replace function ops.may_enter(p_caller ops.tokens, p_workspace text) returns boolean
language sql immutable set search_path = ''
as $$
  select (p_caller).workspaces is null or p_workspace = any ((p_caller).workspaces)
$$;

-- functions/edge/object_is_needed.sql
-- Whether somebody has the bytes of a key, or is about to: an artifact that is not lost or over its time, a bundle.
create or replace function ops.object_is_needed(p_object_key text) returns boolean
language sql stable set search_path = ''
as $$
  select exists (select from ops.artifacts a
                  where a.object_key = p_object_key and a.state in ('begun', 'recorded', 'visible'))
      or exists (select from ops.bundles b where b.object_key = p_object_key)
$$;

-- functions/edge/object_is_stored.sql
-- Whether an artifact has put the bytes of this key into the store. The key names the workspace, so other tenants'
-- bytes never count.
create or replace function ops.object_is_stored(p_object_key text) returns boolean
language sql stable set search_path = ''
as $$
  select exists (
    select from ops.artifacts a where a.object_key = p_object_key and a.state in ('recorded', 'visible'))
$$;

-- functions/edge/object_key.sql
-- Where bytes live in the object store: below their workspace, by their SHA-256, spread over 256 prefixes. The
-- workspace is part of the address, so that knowing a digest opens nothing that another tenant stored.
create or replace function ops.object_key(p_workspace text, p_sha256 text) returns text
language sql immutable set search_path = ''
as $$
  select p_workspace || '/sha256/' || left(p_sha256, 2) || '/' || p_sha256
$$;

-- functions/edge/object_lock.sql
-- The advisory lock of an object's key: shared by those who are about to need it, alone by the collector, which so sees
-- whoever has just begun.
create or replace function ops.object_lock(p_object_key text) returns bigint
language sql immutable parallel safe
return hashtextextended('ops.object:' || p_object_key, 0);

-- functions/edge/odd_pattern.sql
-- The pattern of characters that show as nothing or turn text around: control (Cc), format (Cf, with all bidirectional
-- marks, embeddings, overrides and isolates), line and paragraph separators, and noncharacters of the first plane.
create or replace function ops.odd_pattern() returns text
language sql immutable parallel safe
return '[\u0001-\u001f\u007f-\u009f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f'
  || '\u2028-\u202e\u2060-\u206f\ufdd0-\ufdef\ufeff\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd'
  || '\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]';

-- functions/edge/old_partitions.sql
-- The monthly partitions that are over their time, the oldest first: of a month that was over before the months to keep
-- began, and so was each of its runs. The run_ids of a month are those from from_run_id to before to_run_id. A run that
-- has not ended keeps its month, whatever its age: what happens to it is still told.
create or replace function ops.old_partitions()
returns table (parent text, name text, from_run_id uuid, to_run_id uuid)
language sql stable set search_path = ''
as $$
  select k.parent, c.relname::text, f.from_run_id, f.to_run_id
    from (values ('events', 'events_kept_months'), ('run_logs', 'logs_kept_months')) k (parent, setting)
    join pg_inherits i on i.inhparent = to_regclass('ops.' || k.parent)
    join pg_class c on c.oid = i.inhrelid and c.relname ~ ('^' || k.parent || '_[0-9]{4}_[0-9]{2}$')
   cross join lateral (select to_date(right(c.relname, 7), 'YYYY_MM')::timestamp as begins,
                              date_trunc('month', ops.now() at time zone 'UTC')
                                - make_interval(months => ops.setting_number(k.setting)::int) as kept_from) m
   cross join lateral (select ops.uuid7_floor(m.begins at time zone 'UTC') as from_run_id,
                              ops.uuid7_floor((m.begins + interval '1 month') at time zone 'UTC') as to_run_id) f
   where m.begins + interval '1 month' <= m.kept_from
     and not exists (select from ops.runs r
                      where r.run_id >= f.from_run_id and r.run_id < f.to_run_id
                        and (r.finished_at is null or r.finished_at >= m.kept_from at time zone 'UTC'))
   order by m.begins, k.parent
$$;

-- functions/edge/open_upload.sql
-- Guard, lock, mutate: the upload in parts of an artifact that is begun. p_body {epoch} answers the one that is open,
-- null when there is none; with {store_id, part_size} the server has opened one in the store, and the answer is the one
-- on record, which is another when somebody was faster: the server gives its own up.
create or replace function ops.open_upload(p_token_id uuid, p_run_id uuid, p_artifact_id uuid, p_body jsonb)
returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_artifact ops.artifacts := ops.begun_artifact(p_token_id, p_run_id, p_artifact_id, ops.body_epoch(p_body));
  v_upload   ops.uploads;
begin
  if p_body ->> 'store_id' is not null then
    insert into ops.uploads (upload_id, run_id, object_key, store_id, size, part_size, begun_at, used_at)
    values (ops.uuid7(), p_run_id, v_artifact.object_key, p_body ->> 'store_id', v_artifact.size,
            (p_body ->> 'part_size')::bigint, ops.now(), ops.now())
    on conflict (run_id, object_key) do nothing;
  end if;
  update ops.uploads u set used_at = ops.now()
   where u.run_id = p_run_id and u.object_key = v_artifact.object_key
  returning * into v_upload;
  return case when v_upload.upload_id is not null then ops.upload_json(v_upload) end;
end
$$;

-- functions/edge/page_cursor.sql
-- Where a page starts, from a cursor that a former page answered; null at the start.
create or replace function ops.page_cursor(p_cursor text) returns bigint
language plpgsql immutable set search_path = ''
as $$
begin
  if p_cursor !~ '^[0-9]{1,18}$' then
    perform ops.invalid('/cursor', 'must be a cursor that a former page answered', 'Start again without a cursor.');
  end if;
  return p_cursor::bigint;
end
$$;

-- functions/edge/page_limit.sql
-- How many items of a list are wanted: `limit` of the filters, else the default; OPV01 when out of range.
create or replace function ops.page_limit(p_filters jsonb, p_default int, p_most int) returns int
language plpgsql immutable set search_path = ''
as $$
declare
  v_text text := coalesce(p_filters ->> 'limit', p_default::text);
begin
  if v_text !~ '^[0-9]{1,6}$' or v_text::int not between 1 and p_most then
    perform ops.invalid('/limit', format('must be a whole number from 1 to %s', p_most));
  end if;
  return v_text::int;
end
$$;

-- functions/edge/pending_lineage.sql
-- Lineage events that are to be sent, in their order: [{lineage_id, run_id, body}].
create or replace function ops.pending_lineage(p_limit int) returns jsonb
language sql stable security definer set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('lineage_id', l.lineage_id, 'run_id', l.run_id, 'body', l.body)
                            order by l.lineage_id), '[]')
    from (select * from ops.lineage x where x.state = 'pending' order by x.lineage_id limit p_limit) l
$$;

-- functions/edge/prices_json.sql
-- A price list as people see it.
create or replace function ops.prices_json(p_list ops.price_lists) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('version', (p_list).version, 'valid_from', ops.iso((p_list).valid_from),
    'currency', (p_list).currency, 'prices', (p_list).prices, 'created_by', (p_list).created_by)
$$;

-- functions/edge/principal_json.sql
-- Who a token stands for, as ops_schema.store.Principal reads it.
create or replace function ops.principal_json(p_token ops.tokens) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'token_id', (p_token).token_id,
    'role', (p_token).role,
    'name', (p_token).name,
    'workspaces', to_jsonb((p_token).workspaces))
$$;

-- functions/edge/put_budget.sql
-- Set a budget, or take it away: p_body {scope, scope_ref, unit, period, limit, policy?, timezone?, thresholds?}.
--   scope       platform (scope_ref null), workspace (scope_ref its name), template (scope_ref 'workspace/template')
--   limit       a number from 0; null removes the budget: what was reserved is settled all the same
--   policy      queue (default): a run that finds no room waits; refuse: it is refused at its submit
--   timezone    in which days and months begin, UTC when it is not given
--   thresholds  percent of the limit at which is warned, [50, 80, 100] when not given
-- One for each scope, unit and period. It holds for claims from now on. Returns the budget as ops.list_budgets does.
-- Raises OPU01, OPU02, OPN02, OPN07, OPV01.
create or replace function ops.put_budget(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_caller ops.tokens  := ops.require(p_token_id, array['operator']);
  v_budget ops.budgets := ops.budget_from(p_token_id, p_body);
  v_now    timestamptz := ops.now();
begin
  if v_budget."limit" is null then
    update ops.budgets b set removed_at = v_now, updated_at = v_now, updated_by = v_caller.name
     where b.removed_at is null and ops.same_budget(b, v_budget)
    returning * into v_budget;
  else
    insert into ops.budgets as b (scope, workspace, template_name, unit, period, timezone, "limit", policy, thresholds,
                                  updated_at, updated_by)
    values (v_budget.scope, v_budget.workspace, v_budget.template_name, v_budget.unit, v_budget.period,
            v_budget.timezone, v_budget."limit", v_budget.policy, v_budget.thresholds, v_now, v_caller.name)
    on conflict (scope, coalesce(workspace, ''), coalesce(template_name, ''), unit, period) where removed_at is null
    do update set "limit" = excluded."limit", policy = excluded.policy, timezone = excluded.timezone,
                  thresholds = excluded.thresholds, updated_at = excluded.updated_at, updated_by = excluded.updated_by
    returning * into v_budget;
  end if;
  if v_budget.budget_id is null then
    perform ops.fail('OPN08', 'there is no such budget', p_body, 'See the list of budgets.');
  end if;
  return ops.budget_json(v_budget);
end
$$;

-- functions/edge/put_bundle.sql
-- Announce a code bundle {sha256, size, workspace?}; with stored: true, say that the server has seen its bytes in the
-- store. Without a workspace it is `default`, or the first one of a token that does not open `default`.
-- Raises OPU01, OPU02, OPN07, OPV01, OPC04.
create or replace function ops.put_bundle(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_caller    ops.tokens := ops.require(p_token_id, array['operator']);
  v_sha256    text       := p_body ->> 'sha256';
  v_stored    boolean    := coalesce((p_body ->> 'stored')::boolean, false);
  v_workspace text       := coalesce(p_body ->> 'workspace', ops.home_workspace(v_caller));
  v_bundle    ops.bundles;
begin
  if coalesce(v_sha256, '') !~ '^[0-9a-f]{64}$' or not ops.is_natural(p_body -> 'size') then
    perform ops.invalid('/sha256', 'a bundle needs its SHA-256 (64 hex digits) and its size in bytes');
  end if;
  perform ops.check_workspace(v_caller, v_workspace);
  perform pg_advisory_xact_lock_shared(ops.object_lock(ops.object_key(v_workspace, v_sha256)));
  perform ops.spare_object(ops.object_key(v_workspace, v_sha256));
  insert into ops.bundles (workspace, sha256, size, object_key, state, created_at, created_by)
  values (v_workspace, v_sha256, (p_body ->> 'size')::bigint, ops.object_key(v_workspace, v_sha256), 'begun', ops.now(),
          p_token_id)
  -- A size announced wrongly, before any bytes were seen, must not block the digest for good.
  on conflict (workspace, sha256) do update set size = excluded.size where ops.bundles.state = 'begun';
  if v_stored then
    update ops.bundles b set state = 'stored', stored_at = ops.now()
     where b.workspace = v_workspace and b.sha256 = v_sha256 and b.state = 'begun';
  end if;

  select * into v_bundle from ops.bundles b where b.workspace = v_workspace and b.sha256 = v_sha256;
  if v_bundle.size <> (p_body ->> 'size')::bigint then
    perform ops.fail('OPC04', format('bundle %s is on record with %s bytes', v_sha256, v_bundle.size),
      jsonb_build_object('sha256', v_sha256, 'size', v_bundle.size), 'Pack the bundle again.');
  end if;
  return ops.bundle_json(v_bundle);
end
$$;

-- functions/edge/put_cap.sql
-- Set a hard ceiling, or take it away: p_body {scope, scope_ref, cap, limit, action?,
-- grace_seconds?}.
--   scope      platform (scope_ref null), workspace (scope_ref its name), template (scope_ref 'workspace/template')
--   limit      a number above 0; null removes the cap
--   action     warn, cancel, kill or cut, see ops.check_cap_action; null leaves it to other scopes, else cancel. One
--              scope may have a limit that warns beside one that ends: they are set and removed for themselves.
-- It holds for runs submitted from now on, and, where it is tighter, for those under way: heartbeats tell them. Returns
-- the cap {scope, workspace, template_name, cap, limit, action, grace_seconds, updated_at}; limit null when it was
-- removed. Raises OPU01, OPU02, OPN02, OPN07, OPV01.
create or replace function ops.put_cap(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_cap ops.caps := ops.cap_from(p_token_id, p_body);
begin
  if v_cap."limit" is null then
    delete from ops.caps c
     where c.scope = v_cap.scope and c.workspace is not distinct from v_cap.workspace
       and c.template_name is not distinct from v_cap.template_name and c.cap = v_cap.cap
       and (coalesce(c.action, '') = 'warn') = (coalesce(v_cap.action, '') = 'warn');
  else
    insert into ops.caps as c (scope, workspace, template_name, cap, "limit", action, grace_seconds, updated_at)
    values (v_cap.scope, v_cap.workspace, v_cap.template_name, v_cap.cap, v_cap."limit", v_cap.action,
            v_cap.grace_seconds, v_cap.updated_at)
    on conflict (scope, coalesce(workspace, ''), coalesce(template_name, ''), cap, (coalesce(action, '') = 'warn'))
    do update set "limit" = excluded."limit", action = excluded.action, grace_seconds = excluded.grace_seconds,
                  updated_at = excluded.updated_at;
    perform ops.tell_orders(null);
  end if;
  return ops.cap_json(v_cap);
end
$$;

-- functions/edge/put_manifest.sql
-- For the reactor: record a run's manifest. p_body {text, root, made_at, key_id|null, envelope|null}. The text must say
-- what is on record, so that nobody's word stands in it; told again, it changes nothing. Returns {run_id, sha256, root}
-- of what is on record. Raises OPN01, OPC05.
create or replace function ops.put_manifest(p_run_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_run   ops.runs;
  v_found ops.manifests;
  v_made  timestamptz := (p_body ->> 'made_at')::timestamptz;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id for no key update;
  if v_run.run_id is null then
    perform ops.fail('OPN01', format('there is no run %s', p_run_id));
  end if;
  select * into v_found from ops.manifests m where m.run_id = p_run_id;
  if v_found.run_id is null then
    if v_run.finished_at is null or (p_body ->> 'text')::jsonb is distinct from ops.manifest_parts(p_run_id) then
      perform ops.fail('OPC05', format('run %s: the manifest does not say what is on record', v_run.number),
        jsonb_build_object('state', v_run.state), 'Make it anew from ops.manifest_parts.');
    elsif not v_made between v_run.finished_at and ops.now() then
      perform ops.fail('OPC05', format('run %s: a manifest cannot have been made at %s', v_run.number, v_made),
        jsonb_build_object('state', v_run.state), 'It is made after the run has ended.');
    elsif not exists (select from ops.signing_keys k where k.key_id = p_body ->> 'key_id' and k.retired_at is null)
          and p_body ->> 'key_id' is not null then
      perform ops.fail('OPC05', format('the key %s is not in force', p_body ->> 'key_id'),
        jsonb_build_object('state', v_run.state), 'Sign with the newest key.');
    end if;

    insert into ops.manifests (run_id, text, sha256, root, envelope, key_id, made_at)
    values (p_run_id, p_body ->> 'text', encode(sha256(convert_to(p_body ->> 'text', 'UTF8')), 'hex'),
            p_body ->> 'root', nullif(p_body -> 'envelope', 'null'), p_body ->> 'key_id', v_made)
    returning * into v_found;
    update ops.runs set manifest_root = v_found.root where run_id = p_run_id;
  end if;
  return jsonb_build_object('run_id', p_run_id, 'sha256', v_found.sha256, 'root', v_found.root);
end
$$;

-- functions/edge/put_prices.sql
-- A new price list: p_body {currency, prices: {kind or "*": {unit: price}}, valid_from?}. In force from its time on,
-- now when it names none; what has ended before keeps what it cost. Returns it. Raises OPU01, OPU02, OPV01.
create or replace function ops.put_prices(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator']);
  v_from   timestamptz := coalesce((p_body ->> 'valid_from')::timestamptz, ops.now());
  v_list   ops.price_lists;
begin
  perform ops.require_everywhere(p_token_id);
  perform ops.check_prices(p_body);
  if v_from < ops.now() then
    perform ops.invalid('/valid_from', 'must not lie in the past: what has ended keeps what it cost');
  end if;
  insert into ops.price_lists (valid_from, currency, prices, created_by)
  values (v_from, p_body ->> 'currency', p_body -> 'prices', v_caller.name) returning * into v_list;
  return ops.prices_json(v_list);
end
$$;

-- functions/edge/put_setting.sql
-- Change a setting of the platform: p_body {key, value}. Returns {key, value, updated_at}.
-- Raises OPU01, OPU02, OPV01 (no such setting, or not such a value).
create or replace function ops.put_setting(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
begin
  perform ops.require_everywhere(p_token_id);
  return ops.set_setting(p_body ->> 'key', p_body -> 'value');
end
$$;

-- functions/edge/put_signing_key.sql
-- For the reactor: the key that signs from now on; the one before is retired. p_public_key: raw, hex. A key that was
-- retired stays so, and the answer tells. Returns {key_id, retired_at|null}. Raises OPV01.
create or replace function ops.put_signing_key(p_public_key text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_key ops.signing_keys;
begin
  if p_public_key !~ '^[0-9a-f]{64}$' then
    perform ops.invalid('/public_key', 'must be 32 bytes as 64 hexadecimal digits');
  end if;
  perform pg_advisory_xact_lock(hashtext('ops.signing_keys'));
  select * into v_key from ops.signing_keys k where k.public_key = decode(p_public_key, 'hex');
  if v_key.key_id is null then
    update ops.signing_keys set retired_at = ops.now() where retired_at is null;
    insert into ops.signing_keys (key_id, public_key, valid_from)
    values (encode(sha256(decode(p_public_key, 'hex')), 'hex'), decode(p_public_key, 'hex'), ops.now())
    returning * into v_key;
  end if;
  return jsonb_build_object('key_id', v_key.key_id, 'retired_at', ops.iso(v_key.retired_at));
end
$$;

-- functions/edge/put_template.sql
-- Store a template: an unchanged spec keeps its version, a changed one gets the next. A version never changes.
create or replace function ops.put_template(p_token_id uuid, p_name text, p_spec jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_caller    ops.tokens := ops.require(p_token_id, array['operator']);
  v_workspace text := coalesce(p_spec ->> 'workspace', 'default');
  v_digest    text := encode(ops.digest(p_spec), 'hex');
  v_latest    ops.templates;
  v_created   boolean := false;
begin
  perform ops.check_template(v_caller, p_name, v_workspace, p_spec);
  -- Two writers of one name take turns, so that versions follow each other.
  perform pg_advisory_xact_lock(hashtextextended('ops.template:' || v_workspace || '/' || p_name, 0));
  select * into v_latest from ops.templates t
   where t.workspace = v_workspace and t.name = p_name order by t.version desc limit 1;

  if v_latest.digest is distinct from v_digest then
    insert into ops.templates
      (template_id, workspace, name, version, digest, kind, description, spec, created_at, created_by)
    values (ops.uuid7(), v_workspace, p_name, coalesce(v_latest.version, 0) + 1, v_digest, p_spec ->> 'kind',
            coalesce(p_spec ->> 'description', ''), p_spec, ops.now(), p_token_id)
    returning * into v_latest;
    v_created := true;
  end if;
  return ops.template_json(v_latest) - 'spec' || jsonb_build_object('created', v_created);
end
$$;

-- functions/edge/put_workspace.sql
-- Make a workspace, or describe it anew: p_body {workspace, description?}. Repeating it is no error.
-- Returns {name, description, created_at}. Raises OPU01, OPU02, OPV01.
create or replace function ops.put_workspace(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_name text := p_body ->> 'workspace';
  v_made ops.workspaces;
begin
  perform ops.require_everywhere(p_token_id);
  if coalesce(v_name, '') !~ '^[a-z0-9][a-z0-9_-]{0,62}$' then
    perform ops.invalid('/workspace', 'must be lower case letters, digits, "_" and "-", at most 63');
  elsif length(p_body ->> 'description') > 1000 then
    perform ops.invalid('/description', 'must have at most 1000 characters');
  end if;
  insert into ops.workspaces as w (workspace, description, created_at)
  values (v_name, coalesce(p_body ->> 'description', ''), ops.now())
  on conflict (workspace) do update set description = coalesce(p_body ->> 'description', w.description)
  returning * into v_made;
  return jsonb_build_object('name', v_made.workspace, 'description', v_made.description,
                            'created_at', ops.iso(v_made.created_at));
end
$$;

-- functions/edge/record_artifact.sql
-- recordArtifact: the server has seen the bytes in the store (or the table's version needs none). Guard, lock, mutate,
-- emit. Recording again is no error. It becomes visible with the accepted report. verify_ms: what it took the server to
-- read and hash them, when the store had no digest of the whole.
create or replace function ops.record_artifact(p_token_id uuid, p_run_id uuid, p_artifact_id uuid, p_body jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_epoch    bigint := ops.body_epoch(p_body);
  v_lease    ops.leases := ops.hold_unreported(p_token_id, p_run_id, v_epoch);
  v_artifact ops.artifacts;
begin
  select * into v_artifact from ops.artifacts a
   where a.artifact_id = p_artifact_id and a.run_id = p_run_id and a.epoch = v_epoch;
  if v_artifact.artifact_id is null then
    perform ops.fail('OPN04', format('run %s has no artifact %s in epoch %s', p_run_id, p_artifact_id, v_epoch),
      jsonb_build_object('artifact_id', p_artifact_id), 'Begin the artifact first.');
  end if;
  if v_artifact.state = 'begun' then
    perform pg_advisory_xact_lock_shared(ops.object_lock(v_artifact.object_key));
    if exists (select from ops.condemned_objects c
                where c.object_key = v_artifact.object_key and c.state = 'deleting') then
      perform ops.fail('OPR01', 'an object of other bytes is being removed from the place of these', '{}',
                       'Send the request again in a second.');
    end if;
    update ops.artifacts a set state = 'recorded', recorded_at = ops.now(),
           verify_ms = (p_body ->> 'verify_ms')::bigint
     where a.artifact_id = p_artifact_id
    returning * into v_artifact;
    perform ops.emit(p_run_id, 'artifact.recorded', v_epoch, ops.executor_actor(v_lease.executor_id),
      jsonb_build_object('artifact_id', v_artifact.artifact_id, 'name', v_artifact.name, 'kind', v_artifact.kind,
      'size', v_artifact.size, 'sha256', v_artifact.sha256)
      || jsonb_strip_nulls(jsonb_build_object('verify_ms', v_artifact.verify_ms)));
  end if;
  return ops.artifact_json(v_artifact);
end
$$;

-- functions/edge/record_lineage.sql
-- Store what was made of ops.lineage_facts, and move on: p_body {cursor, next, events: [{run_id, seq, event_type, body,
-- edges: [{side, namespace, name, version}]}], keep}. keep: nobody is told, they are kept. False, and nothing is
-- stored, when another process has moved on from this cursor.
create or replace function ops.record_lineage(p_body jsonb) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_place text;
begin
  select d.place into v_place from ops.duties d where d.name = 'lineage' for update;
  if coalesce(v_place, '0.00000000-0000-0000-0000-000000000000.0') <> p_body ->> 'cursor' then
    return false;
  end if;
  insert into ops.lineage (run_id, event_seq, event_type, body, state, made_at, settled_at)
  select (e.value ->> 'run_id')::uuid, (e.value ->> 'seq')::bigint, e.value ->> 'event_type', e.value -> 'body',
         case when (p_body ->> 'keep')::boolean then 'kept' else 'pending' end, ops.now(),
         case when (p_body ->> 'keep')::boolean then ops.now() end
    from jsonb_array_elements(p_body -> 'events') with ordinality e (value, n) order by e.n
  on conflict (run_id, event_seq) do nothing;
  insert into ops.lineage_edges (run_id, side, namespace, name, version)
  select (e.value ->> 'run_id')::uuid, d ->> 'side', d ->> 'namespace', d ->> 'name', coalesce(d ->> 'version', '')
    from jsonb_array_elements(p_body -> 'events') e cross join lateral jsonb_array_elements(e.value -> 'edges') d
  on conflict do nothing;
  update ops.duties set place = p_body ->> 'next', ran_at = ops.now() where name = 'lineage';
  return true;
end
$$;

-- functions/edge/redeem_login_code.sql
-- Turn a login code into a session, once. Unknown, spent and late codes get the same answer: OPU03.
create or replace function ops.redeem_login_code(p_code_sha256 bytea, p_session_sha256 bytea) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_token ops.tokens;
  v_ends  timestamptz := ops.now() + ops.seconds(ops.setting_number('session_seconds'));
begin
  update ops.login_codes c set used_at = ops.now()
    from ops.tokens t
   where c.code_sha256 = p_code_sha256 and c.used_at is null and c.expires_at > ops.now()
     and t.token_id = c.token_id and ops.token_is_live(t)
  returning t.* into v_token;
  if v_token.token_id is null then
    perform ops.fail('OPU03', 'this login code is unknown, used or out of date', '{}',
      'Run `control-room login` for a new link.');
  end if;

  delete from ops.sessions s where s.expires_at < ops.now() - interval '1 day';
  insert into ops.sessions (session_sha256, token_id, created_at, expires_at)
  values (p_session_sha256, v_token.token_id, ops.now(), v_ends);
  return ops.principal_json(v_token) || jsonb_build_object('expires_at', ops.iso(v_ends));
end
$$;

-- functions/edge/refuse_object.sql
-- Guard, lock, mutate: the server has read an object that is not what its key says. Unless somebody's artifact or a
-- bundle is on record with it, it is to be removed now; answers whether. ops.removed_object is told afterwards.
create or replace function ops.refuse_object(p_object_key text) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock(ops.object_lock(p_object_key));
  if ops.object_is_stored(p_object_key) or exists (select from ops.bundles b where b.object_key = p_object_key) then
    return false;
  end if;
  insert into ops.condemned_objects (object_key, state, condemned_at, deleted_at)
  values (p_object_key, 'deleting', ops.now(), ops.now())
  on conflict (object_key) do update set state = 'deleting', deleted_at = ops.now();
  return true;
end
$$;

-- functions/edge/register_executor.sql
-- registerExecutor: guard, then one row per instance. The same instance again is the same executor, and counts as seen.
create or replace function ops.register_executor(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_caller     ops.tokens := ops.require(p_token_id, array['executor']);
  v_version    text   := ops.choose_contract_version(p_body #>> '{contract,min}', p_body #>> '{contract,max}');
  v_workspaces text[] := ops.text_array(p_body -> 'workspaces', 'workspaces');
  v_executor   ops.executors;
begin
  if not ops.setting('kinds') ? coalesce(p_body ->> 'kind', '') then
    perform ops.fail('OPV03', format('kind: %L is no executor kind here', p_body ->> 'kind'),
      jsonb_build_object('kinds', ops.setting('kinds')), 'Use one of the kinds, or add yours to the setting `kinds`.');
  end if;
  perform ops.check_workspaces(v_workspaces);
  if v_caller.workspaces is not null then
    if not coalesce(v_workspaces, v_caller.workspaces) <@ v_caller.workspaces then
      perform ops.fail('OPU02', 'this token does not open all of the workspaces asked for',
        jsonb_build_object('workspaces', to_jsonb(v_caller.workspaces)), 'Ask for fewer, or use another token.');
    end if;
    v_workspaces := coalesce(v_workspaces, v_caller.workspaces);
  end if;

  insert into ops.executors as e
    (executor_id, instance_id, token_id, name, kind, version, contract_min, contract_max, contract_version,
     capabilities, labels, workspaces, slots, host, pid, registered_at, last_seen_at)
  values
    (ops.uuid7(), (p_body ->> 'instance_id')::uuid, p_token_id, p_body ->> 'name', p_body ->> 'kind',
     p_body ->> 'version', p_body #>> '{contract,min}', p_body #>> '{contract,max}', v_version,
     coalesce(p_body -> 'capabilities', '{}'), coalesce(p_body -> 'labels', '{}'), v_workspaces,
     coalesce((p_body ->> 'slots')::int, 1), p_body ->> 'host', (p_body ->> 'pid')::int, ops.now(), ops.now())
  on conflict (instance_id) do update set last_seen_at = ops.now(), trouble = null where e.token_id = p_token_id
  returning * into v_executor;

  if v_executor.executor_id is null then
    perform ops.fail('OPU02', 'this instance_id was registered with another token', '{}', 'Make a new instance_id.');
  elsif v_executor.state = 'left' then
    perform ops.fail('OPC09', format('executor %s has left', v_executor.number),
      jsonb_build_object('executor_id', v_executor.executor_id), 'Register again with a new instance_id.');
  end if;
  return ops.registration_json(v_executor);
end
$$;

-- functions/edge/registration_json.sql
-- What a registered executor is told.
create or replace function ops.registration_json(p_executor ops.executors) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'executor_id', (p_executor).executor_id,
    'number', (p_executor).number,
    'contract_version', (p_executor).contract_version,
    'heartbeat_seconds', ops.setting('heartbeat_seconds'),
    'claim_wait_seconds', ops.setting('claim_wait_seconds'),
    'log_chunk_bytes', ops.setting('log_chunk_bytes'),
    'workspaces', coalesce(
      to_jsonb((p_executor).workspaces), (select jsonb_agg(w.workspace order by w.workspace) from ops.workspaces w)),
    'server_time', ops.iso(ops.now()))
$$;

-- functions/edge/release_run.sql
-- Release the legal hold of a run; what is over its time is removed by the next looks. Releasing it again is no error.
-- Returns the Run. Raises OPU01, OPU02, OPN01.
create or replace function ops.release_run(p_token_id uuid, p_ref text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token  ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id uuid       := ops.resolve_run(p_token_id, p_ref);
begin
  update ops.legal_holds set released_at = ops.now(), released_by = v_token.name
   where run_id = v_run_id and released_at is null;
  return ops.run_json(v_run_id);
end
$$;

-- functions/edge/removed_object.sql
-- The store has removed an object. It is removed once more later, see ops.take_condemned; after the second time nothing
-- is kept of it.
create or replace function ops.removed_object(p_object_key text, p_again boolean) returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  if p_again then
    delete from ops.condemned_objects c where c.object_key = p_object_key and c.state = 'deleting';
  else
    update ops.condemned_objects c set state = 'deleted', deleted_at = ops.now()
     where c.object_key = p_object_key and c.state = 'deleting';
  end if;
end
$$;

-- functions/edge/require_everywhere.sql
-- Guard: an operator (or one of p_roles) whose token opens every workspace, for what concerns the whole platform.
-- Raises OPU01, OPU02.
create or replace function ops.require_everywhere(p_token_id uuid, p_roles text[] default '{operator}')
returns ops.tokens
language plpgsql stable set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, p_roles);
begin
  if v_caller.workspaces is not null then
    perform ops.fail('OPU02', format('token %s opens some workspaces only; this concerns all of them', v_caller.name),
      jsonb_build_object('workspaces', v_caller.workspaces), 'Use an operator token for all workspaces.');
  end if;
  return v_caller;
end
$$;

-- functions/edge/retried_runs.sql
-- The run, the one it retries, the one which that retries: nearest first, at most 10. A task of a pipeline run that was
-- retried stands for the task of the same key there, or in the run which that retried when it had kept that task.
create or replace function ops.retried_runs(p_run_id uuid) returns uuid[]
language sql stable set search_path = ''
as $$
  with recursive line as (
    select r.run_id, r.retry_of, r.pipeline_run_id, r.task_key, 1 as depth from ops.runs r where r.run_id = p_run_id
    union all
    select o.run_id, o.retry_of, o.pipeline_run_id, o.task_key, l.depth + 1
      from line l
      cross join lateral (
        select r.run_id, r.retry_of, r.pipeline_run_id, r.task_key from ops.runs r where r.run_id = l.retry_of
        union all
        select r.run_id, r.retry_of, r.pipeline_run_id, r.task_key
          from ops.runs r
         where l.retry_of is null and r.run_id = ops.former_task(l.pipeline_run_id, l.task_key)) o
     where l.depth < 10)
  select array_agg(l.run_id order by l.depth) from line l
$$;

-- functions/edge/revoke_token.sql
-- An operator ends a token, with its sessions. One whose token opens some workspaces only ends those that open none but
-- these: OPU02 for others. Repeating it, or an unknown id, is no error.
create or replace function ops.revoke_token(p_token_id uuid, p_revoked_id uuid) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator']);
  v_other  ops.tokens;
begin
  select * into v_other from ops.tokens t where t.token_id = p_revoked_id;
  if v_caller.workspaces is not null and v_other.token_id is not null
     and (v_other.workspaces is null or not v_other.workspaces <@ v_caller.workspaces) then
    perform ops.fail('OPU02', 'this token opens workspaces that its revoker may not enter',
      jsonb_build_object('workspaces', to_jsonb(v_caller.workspaces)),
      'Revoke it with an operator token that opens all of its workspaces.');
  end if;
  perform ops.end_token(p_revoked_id);
  return '{}';
end
$$;

-- functions/edge/revoke_tokens_named.sql
-- End every live token of this name, for the schema's owner or a superuser; granted to nobody. Repeating it is fine.
-- Returns {revoked: [token_id]}.
create or replace function ops.revoke_tokens_named(p_name text) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_ids uuid[] := array(select t.token_id from ops.tokens t where t.name = p_name and t.revoked_at is null);
begin
  perform ops.end_token(i) from unnest(v_ids) i;
  return jsonb_build_object('revoked', to_jsonb(v_ids));
end
$$;

-- functions/edge/run_artifacts.sql
-- The artifacts of a run, or of a pipeline's children, oldest first; of one that reused what another left, that one's.
create or replace function ops.run_artifacts(p_token_id uuid, p_ref text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run    ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = ops.resolve_run(v_caller.token_id, p_ref);
  return jsonb_build_object('items', coalesce((
    select jsonb_agg(ops.artifact_json(a) order by a.begun_at, a.name)
      from ops.artifacts a where a.run_id in (select ops.run_workers(v_run))), '[]'));
end
$$;

-- functions/edge/run_attempts.sql
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

-- functions/edge/run_chain.sql
-- A run's events after a sequence number exactly as they are stored, for who recomputes the chain: {items: [{seq, at,
-- type, epoch, canonical, prev_hash, hash}], head: {seq, hash}, cut}. cut: {seq, hash, dropped_at} where the month of
-- the run was dropped: its events up to seq are gone. Raises OPU01, OPU02, OPN01, OPV01.
create or replace function ops.run_chain(p_token_id uuid, p_ref text, p_filters jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run    ops.runs;
  v_after  bigint := coalesce((p_filters ->> 'after_seq')::bigint, 0);
  v_limit  int    := ops.page_limit(p_filters, 500, 5000);
begin
  select * into v_run from ops.runs r where r.run_id = ops.resolve_run(v_caller.token_id, p_ref);
  return jsonb_build_object(
    'run_id', v_run.run_id,
    'head', jsonb_build_object('seq', v_run.event_seq, 'hash', encode(v_run.event_head, 'hex')),
    'cut', (select jsonb_build_object('seq', coalesce(h.seq, v_run.event_seq), 'dropped_at', ops.iso(d.dropped_at),
                                      'hash', encode(coalesce(h.hash, v_run.event_head), 'hex'))
              from ops.dropped_partitions d left join ops.dropped_heads h on h.run_id = v_run.run_id
             where d.parent = 'events' and d.from_run_id <= v_run.run_id and v_run.run_id < d.to_run_id),
    'items', (select coalesce(jsonb_agg(jsonb_build_object(
                       'seq', e.seq, 'at', ops.iso(e.at), 'type', e.type, 'epoch', e.epoch, 'canonical', e.canonical,
                       'prev_hash', encode(e.prev_hash, 'hex'), 'hash', encode(e.hash, 'hex')) order by e.seq), '[]')
                from (select * from ops.events v where v.run_id = v_run.run_id and v.seq > v_after
                       order by v.seq limit v_limit) e));
end
$$;

-- functions/edge/run_cost.sql
-- What a run cost so far, its attempts and those of its tasks together, each by the price list in force when it ended:
-- {amount, currency}; null while there are no prices.
create or replace function ops.run_cost(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('amount', coalesce(sum(ops.cost_of(
             r.kind, coalesce(l.usage, '{}') || a.usage, coalesce(a.finished_at, ops.now()))), 0),
           'currency', (select p.currency from ops.price_lists p where p.valid_from <= ops.now()
                         order by p.valid_from desc, p.version desc limit 1))
    from ops.runs r join ops.attempts a on a.run_id = r.run_id
    left join ops.leases l on l.run_id = a.run_id and l.epoch = a.epoch
   where r.run_id in (select ops.run_family(p_run))
  having exists (select from ops.price_lists)
$$;

-- functions/edge/run_events.sql
-- A run's events after a sequence number, in order, each with the hashes of its chain.
create or replace function ops.run_events(p_token_id uuid, p_ref text, p_filters jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run_id uuid   := ops.resolve_run(v_caller.token_id, p_ref);
  v_after  bigint := coalesce((p_filters ->> 'after_seq')::bigint, 0);
  v_limit  int    := ops.page_limit(p_filters, 500, 5000);
begin
  return jsonb_build_object('items', coalesce((
    select jsonb_agg(e.canonical::jsonb || jsonb_build_object(
             'hash', encode(e.hash, 'hex'), 'prev_hash', encode(e.prev_hash, 'hex')) order by e.seq)
      from (select * from ops.events v where v.run_id = v_run_id and v.seq > v_after order by v.seq limit v_limit) e),
    '[]'));
end
$$;

-- functions/edge/run_family.sql
-- The runs whose work is shown at a run: itself, or the children of a pipeline.
create or replace function ops.run_family(p_run ops.runs) returns setof uuid
language sql stable set search_path = ''
as $$
  select (p_run).run_id where (p_run).kind <> 'pipeline'
  union all
  select c.run_id from ops.runs c where c.pipeline_run_id = (p_run).run_id and (p_run).kind = 'pipeline'
$$;

-- functions/edge/run_json.sql
-- A run as the operator plane's Run. Progress and usage of a running run stand on its lease. A pipeline's rows and
-- artifacts are those of its children.
create or replace function ops.run_json(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
      'run_id', (p_run).run_id,
      'number', (p_run).number,
      'workspace', (p_run).workspace,
      'template_name', (p_run).template_name,
      'template_version', (p_run).template_version,
      'kind', (p_run).kind,
      'task_key', (p_run).task_key,
      'pipeline_run_id', (p_run).pipeline_run_id,
      'pipeline_run_number', (select p.number from ops.runs p where p.run_id = (p_run).pipeline_run_id),
      'retry_of', (p_run).retry_of,
      'retry_of_number', (select o.number from ops.runs o where o.run_id = (p_run).retry_of),
      'reproduces', (p_run).reproduces,
      'reproduces_number', (select o.number from ops.runs o where o.run_id = (p_run).reproduces),
      'reused_from', (p_run).reused_from,
      'reused_from_number', (select o.number from ops.runs o where o.run_id = (p_run).reused_from),
      'params', (p_run).params,
      'inputs', (p_run).inputs,
      'outputs', (p_run).outputs,
      'labels', (p_run).labels,
      'caps', (p_run).caps,
      'cap_rules', coalesce((p_run).cap_rules, '{}'),
      'concurrency_key', (p_run).concurrency_key,
      'dedupe_key', (p_run).dedupe_key,
      'retry', (p_run).retry,
      'lease_seconds', (p_run).lease_seconds,
      'condition', case when exists (select from ops.run_dependencies d where d.run_id = (p_run).run_id)
                        then (p_run).condition end,
      'traceparent', (p_run).traceparent)
    || jsonb_build_object(
      'state', (p_run).state,
      'state_reason', (p_run).state_reason,
      'priority', (p_run).priority,
      'queue', (p_run).queue,
      'paused', (p_run).paused and not ops.is_terminal((p_run).state),
      'epoch', (p_run).epoch,
      'attempt', (p_run).attempt,
      'max_attempts', (p_run).max_attempts,
      'not_before', ops.iso((p_run).not_before),
      'deadline', ops.iso((p_run).deadline),
      'submitted_by', (p_run).submitted_by,
      'submitted_at', ops.iso((p_run).submitted_at),
      'queued_at', ops.iso((p_run).queued_at),
      'started_at', ops.iso((p_run).started_at),
      'finished_at', ops.iso((p_run).finished_at),
      'cancel_requested_at', ops.iso((p_run).cancel_requested_at),
      'cancel_reason', (p_run).cancel_reason,
      'legal_hold', ops.hold_json(p_run))
    || jsonb_build_object(
      'result', (p_run).result,
      'error', (p_run).error,
      'progress', coalesce(l.progress, (p_run).progress),
      'usage', (p_run).usage || coalesce(l.usage, '{}'),
      'cost', ops.run_cost(p_run),
      'lease_deadline', ops.iso(l.lease_deadline),
      'executor_name', (select e.name from ops.executors e where e.executor_id = (p_run).executor_id),
      'rows', (select sum(p.rows) from ops.publications p
                where p.run_id in (select ops.run_workers(p_run)) and p.state = 'committed'),
      'artifact_count', (select count(*) from ops.artifacts a
                          where a.run_id in (select ops.run_workers(p_run)) and a.state in ('recorded', 'visible')))
    from (select) one
    left join ops.leases l on l.run_id = (p_run).run_id
$$;

-- functions/edge/run_json_by_id.sql
-- The Run document of a run that is known to exist.
create or replace function ops.run_json(p_run_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select ops.run_json(r) from ops.runs r where r.run_id = p_run_id
$$;

-- functions/edge/run_lineage.sql
-- What a run, or a pipeline with its tasks, read and made, who made what it read, who read what it made, and the events
-- that tell of it: {run_id, number, inputs: [{namespace, name, version, runs}], outputs: [same], events: [{event_type,
-- at, state, error, body}]}. runs: [{run_id, number, template_name}], the latest first, fifty at most, of workspaces
-- open to the caller. Raises OPU01, OPU02, OPN01.
create or replace function ops.run_lineage(p_token_id uuid, p_ref text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run    ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = ops.resolve_run(p_token_id, p_ref);
  return jsonb_build_object('run_id', v_run.run_id, 'number', v_run.number,
    'inputs', ops.lineage_side(v_run, 'input', v_caller), 'outputs', ops.lineage_side(v_run, 'output', v_caller),
    'events', (select coalesce(jsonb_agg(jsonb_build_object('run_id', l.run_id, 'event_type', l.event_type,
                        'at', l.body -> 'eventTime', 'state', l.state, 'error', l.error, 'body', l.body)
                        order by l.lineage_id), '[]')
                 from (select * from ops.lineage x where x.run_id in (select ops.run_family(v_run))
                        order by x.lineage_id limit 1000) l));
end
$$;

-- functions/edge/run_logs.sql
-- A run's log chunks beyond a cursor, in the order of their times. p_filters: stream, after, limit (chunks), epoch.
create or replace function ops.run_logs(p_token_id uuid, p_ref text, p_filters jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run_id uuid := ops.resolve_run(v_caller.token_id, p_ref);
  v_limit  int  := ops.page_limit(p_filters, 500, 5000);
  v_answer jsonb;
begin
  perform from ops.log_cursor(p_filters ->> 'after');
  with streams as (
    select a.epoch, p.stream, coalesce(c.seq, -1) as seen
      from ops.attempts a
     cross join lateral ops.log_positions(a.run_id, a.epoch) p
      left join ops.log_cursor(p_filters ->> 'after') c on c.epoch = a.epoch and c.stream = p.stream
     where a.run_id = v_run_id
       and (p_filters ->> 'epoch' is null or a.epoch = (p_filters ->> 'epoch')::bigint)
       and (p_filters ->> 'stream' is null or p.stream = p_filters ->> 'stream')
  ), fresh as (
    -- The running maximum keeps a stream's own order when its clock steps back, so a page never skips a chunk.
    select s.epoch, s.stream, l.seq, l."offset", l.at, l.text,
           max(l.at) over (partition by s.epoch, s.stream order by l.seq) as sorted_at
      from streams s
     cross join lateral (
       select * from ops.run_logs g
        where g.run_id = v_run_id and g.epoch = s.epoch and g.stream = s.stream and g.seq > s.seen
        order by g.seq limit v_limit) l
  ), page as (
    select * from fresh f order by f.epoch, f.sorted_at, f.stream, f.seq limit v_limit
  ), positions as (
    select s.epoch, s.stream, greatest(s.seen, max(p.seq)) as seq
      from streams s left join page p on p.epoch = s.epoch and p.stream = s.stream
     group by s.epoch, s.stream, s.seen
  )
  select jsonb_build_object(
    'items', (select coalesce(jsonb_agg(jsonb_build_object('epoch', p.epoch, 'stream', p.stream, 'seq', p.seq,
                'offset', p."offset", 'at', ops.iso(p.at), 'text', p.text)
                order by p.epoch, p.sorted_at, p.stream, p.seq), '[]') from page p),
    'next', (select coalesce(string_agg(format('%s:%s:%s', n.epoch, n.stream, n.seq), ','
                order by n.epoch, n.stream), '')
               from positions n where n.seq >= 0))
    into v_answer;
  return v_answer;
end
$$;

-- functions/edge/run_matches.sql
-- Whether a run is what somebody types into the search box: a number, the start of an id, part of a name or a label.
create or replace function ops.run_matches(p_run ops.runs, p_q text) returns boolean
language sql immutable set search_path = ''
as $$
  select (p_run).number::text = ltrim(p_q, '#')
      or starts_with((p_run).run_id::text, lower(p_q))
      or strpos(lower((p_run).template_name), lower(p_q)) > 0
      or strpos(lower(coalesce((p_run).task_key, '')), lower(p_q)) > 0
      or strpos(lower((p_run).labels::text), lower(p_q)) > 0
$$;

-- functions/edge/run_parents.sql
-- What a run waits for, or waited for.
create or replace function ops.run_parents(p_run_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
      'run_id', r.run_id,
      'number', r.number,
      'task_key', r.task_key,
      'template_name', r.template_name,
      'state', r.state,
      'inputs', d.inputs) order by r.number), '[]')
    from ops.run_dependencies d
    join ops.runs r on r.run_id = d.depends_on
   where d.run_id = p_run_id
$$;

-- functions/edge/run_publications.sql
-- The data that a run, or a pipeline's children, published or is about to; of one that reused what another did, that
-- one's.
create or replace function ops.run_publications(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
      'run_id', p.run_id,
      'output', p.output,
      'epoch', p.epoch,
      'format', p.format,
      'mode', p.mode,
      'uri', p.uri,
      'rows', p.rows,
      'files', jsonb_array_length(p.files),
      'app_id', p.app_id,
      'app_version', p.app_version,
      'state', p.state,
      'table_version', p.table_version,
      'location', p.location,
      'error', p.error,
      'recorded_at', ops.iso(p.recorded_at),
      'committed_at', ops.iso(p.committed_at)) order by p.recorded_at, p.output), '[]')
    from ops.publications p
   where p.run_id in (select ops.run_workers(p_run))
$$;

-- functions/edge/run_workers.sql
-- The runs whose work is shown at a run: ops.run_family, and for one that reused what another left, that one.
create or replace function ops.run_workers(p_run ops.runs) returns setof uuid
language sql stable set search_path = ''
as $$
  select coalesce((p_run).reused_from, (p_run).run_id) where (p_run).kind <> 'pipeline'
  union all
  select coalesce(c.reused_from, c.run_id) from ops.runs c
   where c.pipeline_run_id = (p_run).run_id and (p_run).kind = 'pipeline'
$$;

-- functions/edge/runs_bundle.sql
-- Whether an executor of this token holds the lease of a run whose template names this bundle.
create or replace function ops.runs_bundle(p_token_id uuid, p_sha256 text) returns boolean
language sql stable set search_path = ''
as $$
  select exists (
    select from ops.executors e
      join ops.leases l on l.executor_id = e.executor_id
      join ops.runs r on r.run_id = l.run_id and r.epoch = l.epoch
      join ops.templates t on t.template_id = r.template_id
     where e.token_id = p_token_id and t.spec #>> '{bundle,sha256}' = p_sha256)
$$;

-- functions/edge/same_budget.sql
-- Whether two budgets are of one scope, unit and period.
create or replace function ops.same_budget(p_one ops.budgets, p_other ops.budgets) returns boolean
language sql immutable set search_path = ''
as $$
  select ((p_one).scope, (p_one).unit, (p_one).period) = ((p_other).scope, (p_other).unit, (p_other).period)
         and (p_one).workspace is not distinct from (p_other).workspace
         and (p_one).template_name is not distinct from (p_other).template_name
$$;

-- functions/edge/scope_from.sql
-- Whom {scope, scope_ref} of a body names, as a cap without cap and limit, when the caller may set caps and budgets
-- there: the platform's an operator of all workspaces, others an operator of the workspace. Raises OPU01, OPU02, OPN02,
-- OPN07, OPV01.
create or replace function ops.scope_from(p_token_id uuid, p_body jsonb) returns ops.caps
language plpgsql stable set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator']);
  v_ref    text       := p_body ->> 'scope_ref';
  v_scope  ops.caps;
begin
  v_scope.scope := coalesce(p_body ->> 'scope', '');
  if v_scope.scope not in ('platform', 'workspace', 'template') then
    perform ops.invalid('/scope', 'must be platform, workspace or template');
  elsif (v_scope.scope = 'platform') <> (v_ref is null) then
    perform ops.invalid('/scope_ref', 'names the workspace, or the template as workspace/template; none for platform');
  elsif v_scope.scope = 'platform' then
    perform ops.require_everywhere(p_token_id);
    return v_scope;
  end if;
  v_scope.workspace := split_part(v_ref, '/', 1);
  perform ops.check_workspace(v_caller, v_scope.workspace);
  if v_scope.scope = 'workspace' and v_ref <> v_scope.workspace then
    perform ops.invalid('/scope_ref', 'must be the name of a workspace');
  elsif v_scope.scope = 'template' then
    v_scope.template_name := (ops.find_template(v_scope.workspace, substr(v_ref, length(v_scope.workspace) + 2))).name;
  end if;
  return v_scope;
end
$$;

-- functions/edge/session_principal.sql
-- Whom a session cookie names, by the SHA-256 of its value; null when unknown, ended or expired, or its token ended.
create or replace function ops.session_principal(p_session_sha256 bytea) returns jsonb
language sql stable security definer set search_path = ''
as $$
  select ops.principal_json(t)
    from ops.sessions s
    join ops.tokens t on t.token_id = s.token_id
   where s.session_sha256 = p_session_sha256 and s.ended_at is null and s.expires_at > ops.now()
     and ops.token_is_live(t)
$$;

-- functions/edge/set_setting.sql
-- Store a checked setting; for the verb put_setting, and for migrate, which has no token yet. Granted to nobody.
create or replace function ops.set_setting(p_key text, p_value jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_setting ops.settings;
begin
  perform ops.check_setting(p_key, p_value);
  update ops.settings s set value = p_value, updated_at = ops.now()
   where s.key = p_key and s.value is distinct from p_value;
  select * into v_setting from ops.settings s where s.key = p_key;
  return jsonb_build_object('key', v_setting.key, 'value', v_setting.value, 'updated_at', ops.iso(v_setting.updated_at));
end
$$;

-- functions/edge/settle_lineage.sql
-- A lineage event was sent, or refused with p_error by whoever is told. Again: no change.
create or replace function ops.settle_lineage(p_lineage_id bigint, p_error text) returns void
language sql volatile security definer set search_path = ''
as $$
  update ops.lineage set state = case when p_error is null then 'sent' else 'refused' end, settled_at = ops.now(),
      error = left(p_error, 2000)
   where lineage_id = p_lineage_id and state = 'pending'
$$;

-- functions/edge/spare_object.sql
-- Guard and mutate: the bytes of a key are about to be needed (again): the collector leaves them alone. The caller has
-- the key's lock, shared, since before it made its own row. Raises OPR01 while the store is being told to remove them.
create or replace function ops.spare_object(p_object_key text) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  delete from ops.condemned_objects c where c.object_key = p_object_key and c.state <> 'deleting';
  if exists (select from ops.condemned_objects c where c.object_key = p_object_key) then
    perform ops.fail('OPR01', 'the same bytes, which nobody needed any more, are being removed at this moment',
                     '{}', 'Send the request again in a second.');
  end if;
end
$$;

-- functions/edge/stale_uploads.sql
-- Uploads in parts that nobody has gone on with for the setting orphan_safety_hours and that no attempt is at, at most
-- p_limit, the oldest first: [{upload_id, object_key, store_id, run_number, used_at}]. The collector has the store give
-- them up.
create or replace function ops.stale_uploads(p_limit int) returns jsonb
language sql stable security definer set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('upload_id', x.upload_id, 'object_key', x.object_key,
           'store_id', x.store_id, 'run_number', x.number, 'used_at', ops.iso(x.used_at)) order by x.used_at), '[]')
    from (select u.*, r.number from ops.uploads u join ops.runs r on r.run_id = u.run_id
           where u.used_at <= ops.now() - ops.seconds(3600 * ops.setting_number('orphan_safety_hours'))
             and not exists (select from ops.artifacts a
                              where a.run_id = u.run_id and a.object_key = u.object_key and a.state = 'begun')
           order by u.used_at limit p_limit) x
$$;

-- functions/edge/take_condemned.sql
-- Take a condemned object for removal, or one that was removed half an hour ago: an upload address of then, valid for
-- 15 minutes at most, may have brought it back. Those that somebody needs again are let go. One that a dead process
-- took is taken again. Returns {object_key, again} to remove and then tell by ops.removed_object; null when there
-- is none.
create or replace function ops.take_condemned() returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_found ops.condemned_objects;
begin
  loop
    select * into v_found from ops.condemned_objects c
     where c.state = 'condemned' or (c.state = 'deleting' and c.deleted_at < ops.now() - interval '5 minutes')
        or (c.state = 'deleted' and c.deleted_at < ops.now() - interval '30 minutes')
     order by c.condemned_at, c.object_key limit 1;
    if not found then
      return null;
    end if;
    perform pg_advisory_xact_lock(ops.object_lock(v_found.object_key));
    if ops.object_is_needed(v_found.object_key) then
      delete from ops.condemned_objects c where c.object_key = v_found.object_key;
    else
      update ops.condemned_objects c set state = 'deleting', deleted_at = ops.now()
       where c.object_key = v_found.object_key;
      return jsonb_build_object('object_key', v_found.object_key, 'again', v_found.state = 'deleted');
    end if;
  end loop;
end
$$;

-- functions/edge/template_json.sql
-- A template version.
create or replace function ops.template_json(p_template ops.templates) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'template_id', (p_template).template_id,
    'number', (p_template).number,
    'workspace', (p_template).workspace,
    'name', (p_template).name,
    'version', (p_template).version,
    'digest', (p_template).digest,
    'kind', (p_template).kind,
    'description', (p_template).description,
    'spec', (p_template).spec,
    'created_at', ops.iso((p_template).created_at))
$$;

-- functions/edge/text_array.sql
-- A JSON array of strings as text[]; null and JSON null stay null, anything else is refused (OPV01).
create or replace function ops.text_array(p_value jsonb, p_field text) returns text[]
language plpgsql immutable set search_path = ''
as $$
begin
  if p_value is null or jsonb_typeof(p_value) = 'null' then
    return null;
  end if;
  if jsonb_typeof(p_value) <> 'array' or jsonb_path_exists(p_value, '$[*] ? (@.type() != "string")') then
    perform ops.invalid('/' || p_field, 'must be a list of strings');
  end if;
  return array(select jsonb_array_elements_text(p_value));
end
$$;

-- functions/edge/thresholds_from.sql
-- Percents in order, each once; those of a budget that names none. Raises OPV01.
create or replace function ops.thresholds_from(p_thresholds jsonb) returns int[]
language plpgsql immutable set search_path = ''
as $$
begin
  if coalesce(p_thresholds, 'null') = 'null' then
    return '{50,80,100}';
  elsif jsonb_typeof(p_thresholds) <> 'array' or jsonb_array_length(p_thresholds) > 10 or exists (
      select from jsonb_array_elements(p_thresholds) t
       where jsonb_typeof(t) <> 'number' or t::text !~ '^[0-9]{1,4}$' or t::int not between 1 and 1000) then
    perform ops.invalid('/thresholds', 'must be up to ten whole numbers of percent, from 1 to 1000');
  end if;
  return array(select distinct t::int from jsonb_array_elements(p_thresholds) t order by 1);
end
$$;

-- functions/edge/token_is_live.sql
-- Whether a token still opens anything.
create or replace function ops.token_is_live(p_token ops.tokens) returns boolean
language sql stable parallel safe
return (p_token).revoked_at is null and ((p_token).expires_at is null or (p_token).expires_at > ops.now());

-- functions/edge/unknown_uploads.sql
-- Those of the store's open uploads [{store_id, begun_at}] that are on no record and older than the safety window: a
-- server died between opening one and writing it down.
create or replace function ops.unknown_uploads(p_uploads jsonb) returns text[]
language sql stable security definer set search_path = ''
as $$
  select coalesce(array_agg(x.store_id), '{}') from jsonb_to_recordset(p_uploads) x (store_id text, begun_at timestamptz)
   where x.begun_at <= ops.now() - ops.seconds(3600 * ops.setting_number('orphan_safety_hours'))
     and not exists (select from ops.uploads u where u.store_id = x.store_id)
$$;

-- functions/edge/upload_json.sql
-- An open upload in parts, for the server: {upload_id, object_key, store_id, size, part_size, parts: {number: sha256}}.
create or replace function ops.upload_json(p_upload ops.uploads) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'upload_id', (p_upload).upload_id,
    'object_key', (p_upload).object_key,
    'store_id', (p_upload).store_id,
    'size', (p_upload).size,
    'part_size', (p_upload).part_size,
    'parts', (select coalesce(jsonb_object_agg(x.number, x.sha256), '{}') from ops.upload_parts x
               where x.upload_id = (p_upload).upload_id))
$$;

-- functions/edge/uuid7_floor.sql
-- The smallest UUIDv7 of a moment: where a partition by time begins.
create or replace function ops.uuid7_floor(p_at timestamptz) returns uuid
language sql immutable set search_path = ''
as $$
  select (lpad(to_hex((extract(epoch from p_at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- functions/edge/without_manifest.sql
-- For the reactor: runs that have ended and have no manifest yet, {run_ids, now}, the first to end first. A pipeline
-- waits for the manifests of its tasks. p_skip [run_id]: those that the caller knows and does not want.
create or replace function ops.without_manifest(p_limit int, p_skip jsonb default '[]') returns jsonb
language sql stable security definer set search_path = '' set enable_seqscan = off set enable_sort = off set jit = off
as $$
  select jsonb_build_object('run_ids', coalesce(jsonb_agg(d.run_id order by d.finished_at, d.run_id), '[]'),
                            'now', ops.iso(ops.now())) from (
    select r.run_id, r.finished_at from ops.runs r
     where r.finished_at is not null and r.manifest_root is null
       and r.run_id not in (select s.value::uuid from jsonb_array_elements_text(p_skip) s)
       and not (r.kind = 'pipeline' and exists (
             select from ops.runs c where c.pipeline_run_id = r.run_id and c.manifest_root is null))
     order by r.finished_at, r.run_id limit p_limit) d
$$;

-- views/010_overview.sql
-- What people and reports may read with plain SQL: facts about runs, never secrets.
create or replace view ops.run_overview with (security_barrier) as
select r.run_id, r.number, r.workspace, r.template_name, r.template_version, r.kind, r.task_key, r.pipeline_run_id,
       r.retry_of, r.state, r.state_reason, r.priority, r.queue, r.epoch, r.attempt, r.max_attempts, r.submitted_by,
       r.submitted_at, r.queued_at, r.started_at, r.finished_at, r.labels, r.error, r.usage, e.name as executor_name
  from ops.runs r
  left join ops.executors e on e.executor_id = r.executor_id;

create or replace view ops.attempt_overview with (security_barrier) as
select a.run_id, a.epoch, a.attempt, a.executor_id, a.outcome, a.started_at, a.finished_at, a.reported_at, a.error,
       a.usage, a.metrics
  from ops.attempts a;

create or replace view ops.event_overview with (security_barrier) as
select e.run_id, e.seq, e.at, e.type, e.epoch, e.canonical::jsonb ->> 'actor' as actor,
       e.canonical::jsonb -> 'data' as data, encode(e.hash, 'hex') as hash, encode(e.prev_hash, 'hex') as prev_hash
  from ops.events e;

create or replace view ops.artifact_overview with (security_barrier) as
select a.artifact_id, a.run_id, a.epoch, a.name, a.kind, a.media_type, a.size, a.sha256, a.table_ref, a.state,
       a.recorded_at, a.visible_at
  from ops.artifacts a;

create or replace view ops.publication_overview with (security_barrier) as
select p.run_id, p.epoch, p.output, p.format, p.mode, p.uri, p.rows, p.app_id, p.app_version, p.state, p.table_version,
       p.location, p.recorded_at, p.committed_at
  from ops.publications p;

create or replace view ops.executor_overview with (security_barrier) as
select e.executor_id, e.number, e.name, e.kind, e.version, e.contract_version, e.labels, e.slots, e.host,
       e.state, e.registered_at, e.last_seen_at, e.left_at
  from ops.executors e;

create or replace view ops.cap_overview with (security_barrier) as
select l.entry_id, l.run_id, l.epoch, l.layer, l.cap, l."limit", l.observed, l.overshoot, l.overshoot_ms, l.action, l.at
  from ops.cap_ledger l;

-- Failed runs that nobody has retried. A pipeline's tasks are told by the pipeline, which is what can be retried.
-- state_reason: why there was no other attempt.
create or replace view ops.dead_letters with (security_barrier) as
select r.run_id, r.number, r.workspace, r.template_name, r.template_version, r.kind, r.queue, r.labels,
       r.state_reason, r.attempt, r.max_attempts, r.expirations, r.submitted_by, r.submitted_at, r.started_at,
       r.finished_at, r.retry_of, r.error ->> 'class' as error_class, r.error - 'trace' as error
  from ops.runs r
 where r.state = 'failed' and r.pipeline_run_id is null
   and not exists (select from ops.runs n where n.retry_of = r.run_id);

-- grants/010_functions.sql
-- Who may call what. Nothing is anybody's by default; servers call the verbs, and only they.
revoke execute on all functions in schema ops from public;

do $$
declare
  v_verbs text[] := array[
    'warm_up',
    -- who calls
    'authenticate', 'session_principal', 'create_login_code', 'redeem_login_code', 'end_session', 'create_token',
    'revoke_token',
    -- executor plane
    'register_executor', 'leave_executor', 'claim_runs', 'heartbeat', 'append_logs', 'begin_artifact',
    'record_artifact', 'artifacts_each', 'announced_artifacts', 'open_upload', 'declare_parts', 'close_upload',
    'refuse_object', 'get_artifact', 'find_earlier', 'get_bundle', 'report_attempt', 'exchange_each', 'claim_profile', 'tell_ready',
    'keep_ready', 'kept_ready', 'commit_publication',
    -- operator plane
    'submit_run', 'submit_each', 'get_run', 'list_runs', 'cancel_run', 'retry_run', 'reproduce_run', 'why_run',
    'pause_run',
    'resume_run', 'reschedule_run', 'requeue_run', 'list_queues', 'pause_queue', 'resume_queue', 'pause_executor',
    'resume_executor', 'drain_executor', 'list_dead_letters', 'replay_each', 'run_events', 'run_logs',
    'run_artifacts', 'get_preview', 'put_template', 'list_templates', 'get_template', 'put_bundle', 'list_executors',
    'list_caps', 'list_workspaces', 'put_setting', 'put_workspace', 'put_cap', 'explain_caps', 'run_lineage',
    'data_runs', 'hold_run',
    'release_run', 'list_collection', 'put_budget', 'list_budgets', 'check_budgets', 'put_prices', 'list_prices', 'info',
    'verify_events', 'get_manifest', 'run_chain', 'list_signing_keys',
    -- reactor
    'expire_leases', 'promote_due', 'pending_publications', 'commit_publication_as_reactor', 'ensure_partitions',
    'drop_partitions', 'lead', 'events_since', 'expire_artifacts', 'condemn_objects', 'take_condemned',
    'removed_object', 'stale_uploads', 'unknown_uploads', 'lineage_facts', 'record_lineage', 'pending_lineage', 'settle_lineage',
    'without_manifest',
    'manifest_parts', 'put_manifest', 'put_signing_key'];
  v_verb     text;
  v_function regprocedure;
begin
  foreach v_verb in array v_verbs loop
    if not exists (select from pg_proc p where p.pronamespace = 'ops'::regnamespace and p.proname = v_verb) then
      raise exception 'grants: there is no function ops.%', v_verb;
    end if;
    for v_function in
      select p.oid from pg_proc p where p.pronamespace = 'ops'::regnamespace and p.proname = v_verb
    loop
      execute format('grant execute on function %s to ops_server', v_function);
    end loop;
  end loop;
end
$$;

-- grants/020_views.sql
-- Views are for reading; tables stay closed to everybody but their owner.
grant select on
  ops.run_overview, ops.attempt_overview, ops.event_overview, ops.artifact_overview, ops.publication_overview,
  ops.executor_overview, ops.cap_overview, ops.dead_letters
to ops_server, ops_reader;

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
  if not pg_catalog.pg_has_role(current_user, 'ops_owner', 'MEMBER') then
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
  ('lakehouse_root', '"s3://lakehouse"'),        -- outputs' uri = this || '/' || path
  ('lease_seconds', '60'),                       -- when a template says nothing
  ('claim_wait_seconds', '30'),                  -- told to executors at registration
  ('log_chunk_bytes', '65536'),                  -- told to executors at registration
  ('cancel_grace_seconds', '10'),                -- from the cancel directive to SIGKILL
  ('executor_alive_seconds', '60'),              -- silent longer than this: not alive
  ('sweeper_gap_seconds', '30'),                 -- a sweeper pause longer than this counts as an outage
  ('max_expirations', '5'),                      -- a run whose lease lapsed this often is poison
  ('claim_floor_seconds', '1'),                  -- how often a claim floor is moved
  ('claim_floor_rescan_seconds', '10'),          -- how often it is computed from the very start
  ('claim_request_hours', '24'),                 -- how long a claim's answer can be asked for again
  ('partitions_ahead', '3');                     -- months of event and log partitions made in advance

-- Duties of the reactor: when each last ran, so that an outage is noticed by whoever comes next.
create table ops.duties (
  name        text        not null,
  ran_at      timestamptz not null,
  quiet_until timestamptz,                       -- the sweeper expires nothing before this
  constraint duties_pkey primary key (name)
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
-- Code archives, addressed by content.
create table ops.bundles (
  sha256     text        not null,
  size       bigint      not null,
  object_key text        not null,
  state      text        not null,
  created_at timestamptz not null,
  stored_at  timestamptz,
  created_by uuid,
  constraint bundles_pkey primary key (sha256),
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
  constraint templates_version_key unique (workspace, name, version),
  constraint templates_digest_key unique (workspace, name, digest),
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
  registered_at    timestamptz not null,
  last_seen_at     timestamptz not null,
  left_at          timestamptz,
  constraint executors_pkey primary key (executor_id),
  constraint executors_number_key unique (number),
  constraint executors_instance_key unique (instance_id),
  constraint executors_token_fkey foreign key (token_id) references ops.tokens (token_id),
  constraint executors_kind check (kind ~ '^[a-z][a-z0-9_-]{0,62}$' and kind <> 'pipeline'),
  constraint executors_slots check (slots >= 1),
  constraint executors_state check (state in ('active', 'draining', 'left')),
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
  params              jsonb       not null default '{}',
  inputs              jsonb       not null default '[]',
  outputs             jsonb       not null default '[]',
  labels              jsonb       not null default '{}',
  caps                jsonb       not null default '{}',   -- the tightest in force at submit
  max_attempts        int         not null default 1,
  lease_seconds       int         not null default 60,
  concurrency_key     text,
  condition           text        not null default 'all_success',
  deadline            timestamptz,
  idempotency_key     text,
  request_digest      bytea,
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
  revoked_reason      text,                                -- why the last epoch was taken away
  result              jsonb,
  error               jsonb,
  progress            jsonb,
  usage               jsonb       not null default '{}',
  -- event chain
  event_seq           bigint      not null default 0,
  event_head          bytea       not null default '\x0000000000000000000000000000000000000000000000000000000000000000',

  constraint runs_pkey primary key (run_id),
  constraint runs_number_key unique (number),
  constraint runs_workspace_fkey foreign key (workspace) references ops.workspaces (workspace),
  constraint runs_template_fkey foreign key (template_id) references ops.templates (template_id),
  constraint runs_pipeline_fkey foreign key (pipeline_run_id) references ops.runs (run_id),
  constraint runs_retry_of_fkey foreign key (retry_of) references ops.runs (run_id),
  constraint runs_params_is_an_object check (jsonb_typeof(params) = 'object'),
  constraint runs_inputs_is_an_array check (jsonb_typeof(inputs) = 'array'),
  constraint runs_outputs_is_an_array check (jsonb_typeof(outputs) = 'array'),
  constraint runs_labels_is_an_object check (jsonb_typeof(labels) = 'object'),
  constraint runs_caps_is_an_object check (jsonb_typeof(caps) = 'object'),
  constraint runs_max_attempts check (max_attempts between 1 and 100),
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
  constraint runs_running_was_claimed check (state <> 'running' or kind = 'pipeline' or (epoch > 0 and executor_id is not null)),
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
-- Waiting rows that a clock will wake.
create index runs_due on ops.runs (not_before) where state = 'waiting' and not_before is not null;
-- Waiting rows that somebody looks at again: the sweeper's re-check of dependencies.
create index runs_blocked on ops.runs (run_id) where state = 'waiting' and state_reason = 'waiting_on_dependency';
create index runs_children on ops.runs (pipeline_run_id) where pipeline_run_id is not null;
create unique index runs_idempotency on ops.runs (workspace, idempotency_key) where idempotency_key is not null;

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

-- Concurrency keys: the row is the lock. How many hold it is counted from leases, never kept.
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
-- was computed has ended. Also the list of priorities that exist.
create table ops.queue_floors (
  queue          text        not null,
  kind           text        not null,
  priority       int         not null,
  floor_seq      bigint      not null default 0,
  candidate_seq  bigint,
  candidate_xmax xid8,
  moved_at       timestamptz not null,
  rescanned_at   timestamptz not null,
  constraint queue_floors_pkey primary key (queue, kind, priority)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

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
create unique index attempts_idempotency on ops.attempts (idempotency_key) where idempotency_key is not null;

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
  constraint artifacts_pkey primary key (artifact_id),
  constraint artifacts_name_key unique (run_id, epoch, name),
  constraint artifacts_attempt_fkey foreign key (run_id, epoch) references ops.attempts (run_id, epoch),
  constraint artifacts_kind check (kind in ('file', 'table', 'report', 'log', 'metrics', 'model')),
  constraint artifacts_state check (state in ('begun', 'recorded', 'visible', 'orphaned')),
  constraint artifacts_sha256_hex check (sha256 ~ '^[0-9a-f]{64}$'),
  constraint artifacts_size check (size >= 0),
  constraint artifacts_bytes_or_table check
    (case when kind = 'table' and table_ref is not null then object_key is null
          else object_key is not null and sha256 is not null and size is not null end),
  constraint artifacts_recorded_at check (state not in ('recorded', 'visible') or recorded_at is not null),
  constraint artifacts_visible_at check ((state = 'visible') = (visible_at is not null)),
  constraint artifacts_orphaned_at check ((state = 'orphaned') = (orphaned_at is not null))
);

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
  table_version bigint,
  error         jsonb,
  recorded_at   timestamptz not null,
  committed_at  timestamptz,
  failed_at     timestamptz,
  constraint publications_pkey primary key (run_id, epoch, output),
  constraint publications_attempt_fkey foreign key (run_id, epoch) references ops.attempts (run_id, epoch),
  constraint publications_mode check (mode in ('append', 'overwrite')),
  constraint publications_files_is_an_array check (jsonb_typeof(files) = 'array'),
  constraint publications_state check (state in ('recorded', 'committed', 'failed')),
  constraint publications_committed check
    ((state = 'committed') = (committed_at is not null) and (state <> 'committed' or table_version is not null)),
  constraint publications_failed check ((state = 'failed') = (failed_at is not null))
);
create index publications_pending on ops.publications (run_id) where state = 'recorded';

-- tables/080_events.sql
-- Events: append-only facts, one hash chain per run.
--
-- `canonical` is the event: {"actor","at","data","epoch","run_id","seq","type"} as stored text. The other columns are
-- copies for indexes; ops.verify_events compares them. hash = sha256(prev_hash || utf8(canonical)); the first prev_hash
-- is 32 zero bytes; the last hash and seq stand on the run. Partitioned by range of run_id (UUIDv7, so by month of
-- submit): a chain never straddles retention. `xid` lets readers stop before transactions that are still open.
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
    'attempt.reported', 'attempt.expired', 'report.differs', 'artifact.recorded', 'publication.committed',
    'publication.failed', 'cap.enforced'))
) partition by range (run_id);
create index events_xid on ops.events (xid, run_id, seq);
create table ops.events_default partition of ops.events default;

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
  constraint caps_pkey primary key (cap_id),
  constraint caps_scope check (scope in ('platform', 'workspace', 'template')),
  constraint caps_scope_names_its_owner check
    ((scope <> 'platform') = (workspace is not null) and (scope = 'template') = (template_name is not null)),
  constraint caps_cap check (cap in ('wall_seconds', 'memory_bytes', 'log_bytes', 'artifact_bytes')),
  constraint caps_limit check ("limit" > 0)
);
create unique index caps_one_per_scope on ops.caps (scope, coalesce(workspace, ''), coalesce(template_name, ''), cap);

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
  constraint cap_ledger_attempt_fkey foreign key (run_id, epoch) references ops.attempts (run_id, epoch),
  constraint cap_ledger_layer check (layer in ('admission', 'engine', 'watchdog', 'control_room', 'settlement'))
);
create index cap_ledger_run on ops.cap_ledger (run_id);

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

-- tables/110_edge_settings.sql
-- Settings of the executor plane's edge: registration, sessions, retention of login codes.
insert into ops.settings (key, value) values
  ('kinds', '["python", "notebook", "dbt", "trino", "spark", "duckdb", "command"]'),  -- executor kinds that may register
  ('contract_versions', '["1.0"]'),              -- what this schema speaks, oldest first
  ('heartbeat_seconds', '20'),                   -- told to executors; a third of the default lease
  ('executor_lost_seconds', '60'),               -- silent longer than this: shown as lost
  ('login_code_seconds', '600'),
  ('session_seconds', '43200');

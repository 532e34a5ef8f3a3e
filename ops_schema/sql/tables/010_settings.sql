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

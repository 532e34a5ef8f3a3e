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

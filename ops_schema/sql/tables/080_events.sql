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

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

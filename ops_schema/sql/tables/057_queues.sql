-- Queues that an operator has paused: claims pass over them. A queue needs no row of its own to exist.
create table ops.queue_pauses (
  queue         text        not null,
  paused_at     timestamptz not null,
  paused_by     text        not null,
  paused_reason text,
  constraint queue_pauses_pkey primary key (queue)
);

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

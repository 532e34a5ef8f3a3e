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

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

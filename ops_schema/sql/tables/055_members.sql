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

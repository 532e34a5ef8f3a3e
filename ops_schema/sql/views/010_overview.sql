-- What people and reports may read with plain SQL: facts about runs, never secrets.
create or replace view ops.run_overview with (security_barrier) as
select r.run_id, r.number, r.workspace, r.template_name, r.template_version, r.kind, r.task_key, r.pipeline_run_id,
       r.retry_of, r.state, r.state_reason, r.priority, r.queue, r.epoch, r.attempt, r.max_attempts, r.submitted_by,
       r.submitted_at, r.queued_at, r.started_at, r.finished_at, r.labels, r.error, r.usage, e.name as executor_name
  from ops.runs r
  left join ops.executors e on e.executor_id = r.executor_id;

create or replace view ops.attempt_overview with (security_barrier) as
select a.run_id, a.epoch, a.attempt, a.executor_id, a.outcome, a.started_at, a.finished_at, a.reported_at, a.error,
       a.usage, a.metrics
  from ops.attempts a;

create or replace view ops.event_overview with (security_barrier) as
select e.run_id, e.seq, e.at, e.type, e.epoch, e.canonical::jsonb ->> 'actor' as actor,
       e.canonical::jsonb -> 'data' as data, encode(e.hash, 'hex') as hash, encode(e.prev_hash, 'hex') as prev_hash
  from ops.events e;

create or replace view ops.artifact_overview with (security_barrier) as
select a.artifact_id, a.run_id, a.epoch, a.name, a.kind, a.media_type, a.size, a.sha256, a.table_ref, a.state,
       a.recorded_at, a.visible_at
  from ops.artifacts a;

create or replace view ops.publication_overview with (security_barrier) as
select p.run_id, p.epoch, p.output, p.format, p.mode, p.uri, p.rows, p.app_id, p.app_version, p.state, p.table_version,
       p.location, p.recorded_at, p.committed_at
  from ops.publications p;

create or replace view ops.executor_overview with (security_barrier) as
select e.executor_id, e.number, e.name, e.kind, e.version, e.contract_version, e.labels, e.slots, e.host,
       e.state, e.registered_at, e.last_seen_at, e.left_at
  from ops.executors e;

create or replace view ops.cap_overview with (security_barrier) as
select l.entry_id, l.run_id, l.epoch, l.layer, l.cap, l."limit", l.observed, l.overshoot, l.overshoot_ms, l.action, l.at
  from ops.cap_ledger l;

-- Failed runs that nobody has retried. A pipeline's tasks are told by the pipeline, which is what can be retried.
-- state_reason: why there was no other attempt.
create or replace view ops.dead_letters with (security_barrier) as
select r.run_id, r.number, r.workspace, r.template_name, r.template_version, r.kind, r.queue, r.labels,
       r.state_reason, r.attempt, r.max_attempts, r.expirations, r.submitted_by, r.submitted_at, r.started_at,
       r.finished_at, r.retry_of, r.error ->> 'class' as error_class, r.error - 'trace' as error
  from ops.runs r
 where r.state = 'failed' and r.pipeline_run_id is null
   and not exists (select from ops.runs n where n.retry_of = r.run_id);

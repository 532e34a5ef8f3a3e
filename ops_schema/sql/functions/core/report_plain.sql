-- Mutate and emit: the reports of a batch that are plain successes, in one statement: the lease is held, nothing is to
-- be published, no artifact waits to become visible, no cap fired, nobody cancelled. The rest is left alone.
-- Returns their answers and the runs that ended.
-- The caller holds the locks of the runs, and so of their attempts, and of the leases since an earlier statement: what
-- this one sees of them is the last version, and is changed at its place (ctid). Joined by run_id, a session that made
-- its plan while the tables were empty would look through all members for each of them.
create or replace function ops.report_plain(
  p_reports jsonb, out answers ops.member_answer[], out ended uuid[])
language plpgsql volatile set search_path = ''
as $$
declare
  v_now   timestamptz := ops.now();
  v_at    text := ops.iso(v_now);
  v_freed text[];
begin
  with sent as materialized (
    select (m ->> 'ordinal')::int as ordinal, (m ->> 'token_id')::uuid as token_id, (m ->> 'run_id')::uuid as run_id,
           m -> 'body' as body,
           ops.is_plain_report(m -> 'body') and coalesce(m -> 'artifacts', '[]') = '[]' as is_plain,
           row_number() over (partition by (m ->> 'run_id')::uuid order by (m ->> 'ordinal')::int) as nth_of_run,
           row_number() over (partition by m #>> '{body,idempotency_key}' order by (m ->> 'ordinal')::int) as nth_of_key
      from jsonb_array_elements(p_reports) m
  ), fit as materialized (
    select s.ordinal, s.token_id, s.run_id, (s.body ->> 'epoch')::bigint as epoch, s.body ->> 'idempotency_key' as key,
           nullif(s.body -> 'result', 'null') as result, nullif(s.body -> 'usage', 'null') as usage,
           ops.metrics_of(s.body) as metrics, ops.digest(s.body) as digest
      from sent s where s.is_plain and s.nth_of_run = 1 and s.nth_of_key = 1
  ), plain as materialized (
    select s.*, l.executor_id, 'executor:' || e.name as actor, l.progress, r.attempt, r.event_seq, r.event_head,
           greatest(r.event_xid, pg_current_xact_id()) as event_xid,
           l.place as lease_at, a.place as attempt_at, r.place as run_at,
           coalesce(l.usage, '{}') || coalesce(s.usage, '{}') as used, coalesce(s.metrics, l.metrics) as measured,
           ops.key_of(l.workspace, l.concurrency_key) as freed_key
      from fit s
     cross join lateral (select h.*, h.ctid as place from ops.leases h where h.run_id = s.run_id offset 0) l
      join ops.executors e on e.executor_id = l.executor_id and e.token_id = s.token_id
      join ops.tokens t on t.token_id = s.token_id and t.role = 'executor' and ops.token_is_live(t)
     cross join lateral (select u.*, u.ctid as place from ops.runs u where u.run_id = s.run_id offset 0) r
     cross join lateral (
       select t.ctid as place from ops.attempts t where t.run_id = s.run_id and t.epoch = s.epoch offset 0) a
     where r.cancel_requested_at is null and l.epoch = s.epoch and l.reported_at is null
       and (select a.run_id from ops.attempts a
             where a.executor_id = l.executor_id and a.idempotency_key = s.key limit 1) is null
       and (select f.run_id from ops.artifacts f where f.run_id = s.run_id and f.epoch = s.epoch limit 1) is null
  ), told as materialized (
    select p.*, ops.canonical_text(p.run_id, p.event_seq + 1, v_at, 'run.succeeded', p.epoch, p.actor,
             concat('{"state": "succeeded", "attempt": ', p.attempt, ', "outcome": "succeeded", "state_reason": null, '
                    '"report_digest": "', encode(p.digest, 'hex'), '"}')) as canonical
      from plain p
  ), hashed as materialized (
    select t.*, sha256(t.event_head || convert_to(t.canonical, 'UTF8')) as hash from told t
  ), freed as (
    delete from ops.leases l using hashed h where l.ctid = h.lease_at
  ), closed as (
    update ops.attempts a set outcome = 'succeeded', finished_at = v_now, reported_at = v_now,
        idempotency_key = h.key, report_digest = h.digest, result = h.result, usage = h.used,
        metrics = h.measured
      from hashed h where a.ctid = h.attempt_at
  ), finished as (
    update ops.runs r set state = 'succeeded', state_reason = null, finished_at = v_now, error = null,
        result = h.result, progress = coalesce(h.progress, r.progress), usage = r.usage || h.used,
        event_seq = h.event_seq + 1, event_head = h.hash, event_xid = h.event_xid
      from hashed h where r.ctid = h.run_at
  ), written as (
    insert into ops.events (run_id, seq, at, type, epoch, canonical, prev_hash, hash, xid)
    select h.run_id, h.event_seq + 1, v_now, 'run.succeeded', h.epoch, h.canonical, h.event_head, h.hash, h.event_xid
      from hashed h
  )
  select coalesce(array_agg(row(h.ordinal, null, ops.plain_answer(h.run_id, h.epoch, h.attempt))::ops.member_answer),
                  '{}'),
         coalesce(array_agg(h.run_id), '{}'), array_agg(h.freed_key) filter (where h.freed_key is not null)
    into answers, ended, v_freed from hashed h;
  if v_freed is not null then
    perform ops.announce_freed(v_freed);
  end if;
end
$$;

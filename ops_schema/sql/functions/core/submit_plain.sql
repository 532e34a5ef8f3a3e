-- Mutate and emit: the plain submits of a batch (see ops.is_plain_submit) in one statement: one insert for the runs,
-- one for their events. The rest is left alone, as is what another request with its idempotency key was faster with.
-- Returns their answers, and in which queues they stand ready, which the caller announces.
--
-- Members of one kin have token, workspace, template and asked version in common, and whether they wait for their time:
-- what follows from these is read once, and the canonical event is printed once, with a mark where the run_id and the
-- digest of the parameters go.
create or replace function ops.submit_plain(
  p_members jsonb, out answers ops.member_answer[], out ready ops.ready_place[])
language plpgsql volatile set search_path = '' set enable_seqscan = off set jit = off set enable_bitmapscan = off
  set enable_nestloop = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan
as $$
declare
  v_now  timestamptz := ops.now();
  v_zero bytea := decode(repeat('00', 32), 'hex');
  v_born text  := left(ops.uuid7()::text, 15);  -- the time and the version of a UUIDv7
  v_run  uuid  := gen_random_uuid();
  v_mark text  := encode(sha256(uuid_send(gen_random_uuid())), 'hex');
begin
  -- a transaction id before the first nextval: move_floor tells open writers by it
  perform pg_current_xact_id();
  with sent as materialized (
    select (m ->> 'ordinal')::int as ordinal, b as body, m ->> 'token_id' as token_id,
           coalesce(b ->> 'workspace', 'default') as workspace, b ->> 'template' as template,
           (b ->> 'template_version')::int as asked, b ->> 'idempotency_key' as key,
           (b ->> 'not_before')::timestamptz as not_before,
           coalesce((b ->> 'not_before')::timestamptz > v_now, false) as later
      from jsonb_array_elements(p_members) m cross join lateral (select m -> 'body' as b offset 0) x
     where ops.is_plain_submit(b)
  ), grouped as materialized (
    select s.*, dense_rank() over (order by s.token_id, s.workspace, s.template, s.asked, s.later) as kin,
           row_number() over (partition by s.workspace, s.key order by s.ordinal) as nth_of_key
      from sent s
  ), kins as materialized (
    select g.kin, k.name as submitted_by, case when g.later then 'waiting' else 'queued' end as state,
           case when g.later then 'not_before' end as state_reason, t.*,
           ops.canonical_event(v_run, 1, v_now, 'run.submitted', 0, 'operator:' || k.name, jsonb_build_object(
             'state', case when g.later then 'waiting' else 'queued' end,
             'state_reason', case when g.later then 'not_before' end, 'template', t.name,
             'template_version', t.version, 'template_digest', t.digest, 'params_digest', v_mark,
             'retry_of', null)) as canonical
      from (select distinct on (kin) kin, token_id, workspace, template, asked, later from grouped) g
      join ops.tokens k on k.token_id = g.token_id::uuid and k.role = 'operator' and ops.token_is_live(k)
                       and (k.workspaces is null or g.workspace = any (k.workspaces))
     cross join lateral ops.plain_template(g.workspace, g.template, g.asked) t
  ), fit as materialized (
    select g.ordinal, g.body, g.key, g.workspace, g.not_before, k.kin, k.canonical,
           case when k.state = 'queued' then nextval('ops.ready_seq') end as ready_seq,
           nextval('ops.runs_number_seq') as number,
           -- the place in the batch instead of the fraction of a millisecond, then chance
           (v_born || lpad(to_hex(row_number() over (order by g.ordinal) & 4095), 3, '0')
             || substr(gen_random_uuid()::text, 19))::uuid as run_id,
           coalesce(g.body #> '{checked,params}', k.defaults || coalesce(g.body -> 'params', '{}')) as params
      from (select * from grouped order by ordinal) g
      join kins k on k.kin = g.kin and k.version = coalesce((g.body #>> '{checked,template_version}')::int, k.version)
     where (g.key is null or (g.nth_of_key = 1 and (
             select q.run_id from ops.retry_requests q
              where q.workspace = g.workspace and q.idempotency_key = g.key limit 1) is null))
       and (k.required = '{}' or coalesce(g.body #> '{checked,params}', k.defaults || coalesce(g.body -> 'params', '{}'))
                                 ?& k.required)
  ), told as materialized (
    select f.*, replace(replace(f.canonical, v_run::text, f.run_id::text), v_mark, encode(ops.digest(f.params), 'hex'))
             as event from fit f
  ), hashed as materialized (
    select t.*, sha256(v_zero || convert_to(t.event, 'UTF8')) as hash from told t
  ), made as (
    insert into ops.runs (
      run_id, number, workspace, template_id, template_name, template_version, kind, params, outputs, labels, caps,
      cap_rules, max_attempts, lease_seconds, requires, deadline, idempotency_key, request_digest, traceparent, submitted_by,
      submitted_at, priority, queue, not_before, ready_seq, queued_at, state, state_reason, event_seq, event_head)
    overriding system value
    select h.run_id, h.number, h.workspace, k.template_id, k.name, k.version, k.kind, h.params, k.outputs,
           case when h.body ? 'labels' then k.labels || (h.body -> 'labels') else k.labels end, k.caps,
           k.cap_rules, coalesce((h.body ->> 'max_attempts')::int, k.max_attempts),
           coalesce((h.body ->> 'lease_seconds')::int, k.lease_seconds), k.requires,
           (h.body ->> 'deadline')::timestamptz, h.key, case when h.key is not null then ops.submit_digest(h.body) end,
           h.body ->> 'traceparent', k.submitted_by, v_now, coalesce((h.body ->> 'priority')::int, k.priority),
           coalesce(h.body ->> 'queue', k.queue), h.not_before, h.ready_seq,
           case when k.state = 'queued' then v_now end, k.state, k.state_reason, 1, h.hash
      from hashed h join kins k on k.kin = h.kin
     order by h.workspace, h.key  -- in one order, so that two batches with the same keys take turns
    on conflict (workspace, idempotency_key) where idempotency_key is not null do nothing
    returning run_id, number, state, queue, kind, priority
  ), written as (
    insert into ops.events (run_id, seq, at, type, epoch, canonical, prev_hash, hash)
    select h.run_id, 1, v_now, 'run.submitted', 0, h.event, v_zero, h.hash
      from hashed h join made m on m.run_id = h.run_id
  )
  select coalesce(array_agg(row(h.ordinal, null,
           ops.submitted_answer(m.run_id, m.number, m.state, false))::ops.member_answer), '{}'),
         array(select row(r.queue, r.kind, r.priority, count(*))::ops.ready_place from made r
                where r.state = 'queued' group by r.queue, r.kind, r.priority)
    into answers, ready from made m join hashed h on h.run_id = m.run_id;
end
$$;

-- Reports and claims of many callers, in one transaction: what every executor-plane request of this kind becomes.
--   p_reports [{ordinal, token_id, run_id, body, artifacts?}]
--   p_claims  [{ordinal, token_id, executor_id, body}]
-- Ordinals differ over both lists. Returns a row for each member: (ordinal, code, detail), see ops.member_answer. A
-- member's refusal is its own. Raises only what no member is to blame for; the caller then sends them one by one.
--
-- One more row, ordinal -2, holds the server's time. When a claim comes back without runs, or a report is followed by
-- another attempt, and a run waits for its time, another tells when to look again: ordinal -1, detail the seconds. And
-- ordinal -4, detail "ordinal,…", names claims that cannot have any run, whatever becomes claimable: their executor is
-- not active, or they were answered before.
--
-- Lock order: the claims' gate, request ids, concurrency keys, runs, their leases, pipelines. So keys are locked before
-- the first run, also for the claims, which pick after the reports: what a report frees, a claim of the same exchange
-- can have. Waiting runs whose time has come are locked, without waiting for them, after all that reports lock: theirs
-- is an order of its own.
-- p_patience_ms: how long to wait for a lock; then 55P03, and nothing has changed. Null: as long as the session does.
-- p_gather: ordinal -3, detail "kind:count,…", holds what became claimable, which is then not notified.
create or replace function ops.exchange_each(
  p_reports jsonb, p_claims jsonb, p_patience_ms int default null, p_gather boolean default false)
returns setof ops.member_answer
language plpgsql volatile security definer set search_path = ''
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off
  set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  -- assigned rather than performed: `perform` is a statement of its own, which costs a small exchange more
  v_set     text;
  v_gather  boolean := ops.gather_ready(true);
  v_checked record;
  v_report  record;
  v_claims  ops.member_answer[];
  v_one     ops.member_answer;
  v_told    text;
  v_look    boolean := false;
begin
  if p_patience_ms is not null then
    v_set := set_config('lock_timeout', p_patience_ms::text, true);
  end if;
  if jsonb_array_length(p_claims) > 0 then
    perform ops.pass_gate();
  end if;
  v_checked := ops.checked_claims(p_claims);
  if cardinality(v_checked.claims) > 0 then
    perform ops.lock_keys_ahead(v_checked.claims);
  end if;
  if jsonb_array_length(p_reports) > 0 then
    v_report := ops.report_each(p_reports);
    v_look := cardinality(v_report.ended) < jsonb_array_length(p_reports);
    perform ops.settle(v_report.ended, 'executor');
    return query select a.* from unnest(v_report.answers) a;
  end if;
  if cardinality(v_checked.claims) > 0 then
    perform ops.promote_ready(100, 'claim');
    v_claims := ops.carry_claims(v_checked.claims);
    return query select a.* from unnest(v_claims) a;
    foreach v_one in array v_claims loop
      if v_one.detail like '{"runs": []%' then
        v_look := true;
        v_told := (select string_agg(c.ordinal::text, ',') from unnest(v_checked.claims) c where c.repeated is not null);
        exit;
      end if;
    end loop;
    if v_told is not null then
      return next (-4, null, v_told)::ops.member_answer;
    end if;
    perform ops.seen(array(select c.executor_id from unnest(v_checked.claims) c));
  end if;
  if v_look then
    v_told := ops.next_due()::text;
    if v_told is not null then
      return next (-1, null, v_told)::ops.member_answer;
    end if;
  end if;
  if cardinality(v_checked.refusals) > 0 then
    return query select r.* from unnest(v_checked.refusals) r;
  end if;
  return next (-2, null, ops.iso(ops.now()))::ops.member_answer;
  if not p_gather then
    perform ops.notify_gathered();
  else
    v_told := ops.gathered_ready();
    if v_told is not null then
      return next (-3, null, v_told)::ops.member_answer;
    end if;
  end if;
end
$$;

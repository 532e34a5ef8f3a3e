-- Reports and claims of many callers, in one transaction: what every executor-plane request of this kind becomes.
--   p_reports [{ordinal, token_id, run_id, body, artifacts?}]
--   p_claims  [{ordinal, token_id, executor_id, body}]
-- Ordinals differ over both lists. Returns a row for each member: (ordinal, code, detail), see ops.member_answer. A
-- member's refusal is its own. Raises only what no member is to blame for; the caller then sends them one by one.
--
-- Lock order: the claims' gate, request ids, concurrency keys, runs, pipelines. So keys are locked before the first
-- run, also for the claims, which pick after the reports: what a report frees, a claim of the same exchange can have.
create or replace function ops.exchange_each(p_reports jsonb, p_claims jsonb) returns setof ops.member_answer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_checked record;
  v_report  record;
begin
  if jsonb_array_length(p_claims) > 0 then
    perform ops.pass_gate();
  end if;
  select c.claims, c.refusals into v_checked from ops.checked_claims(p_claims) c;
  if cardinality(v_checked.claims) > 0 then
    perform ops.promote_ready(100, 'claim');
    perform ops.lock_keys_ahead(v_checked.claims);
  end if;
  if jsonb_array_length(p_reports) > 0 then
    select r.answers, r.ended into v_report from ops.report_each(p_reports) r;
    perform ops.settle(v_report.ended, 'executor');
    return query select a.* from unnest(v_report.answers) a;
  end if;
  if cardinality(v_checked.claims) > 0 then
    return query select a.* from unnest(ops.carry_claims(v_checked.claims)) a;
    perform ops.seen(array(select c.executor_id from unnest(v_checked.claims) c));
  end if;
  return query select r.* from unnest(v_checked.refusals) r;
end
$$;

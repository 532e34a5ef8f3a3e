-- Submit many runs of many callers, in one transaction: what every submit of the operator plane becomes.
--   p_members [{ordinal, token_id, body, whole?, recorded_only?}]; ordinals differ; body as for ops.submit_run;
--   recorded_only, of all members or none: nothing is submitted, and who is not on record gets no row
-- Returns a row for each member: (ordinal, code, detail), see ops.member_answer; detail {run_id, number, state,
-- repeated}, with `whole` the Run (and `repeated`). A member's refusal is its own. Raises only what no member is to
-- blame for: then nothing was submitted, and the caller sends them one by one.
--
-- Three ways, each for what the one before left: keys that are on record, plain runs in one statement, the rest one by
-- one. Lock order: idempotency keys of workspaces, then as ops.submit_one.
-- p_patience_ms: how long to wait for a lock; then 55P03, and nothing has changed. Null: as long as the session does.
-- p_gather: ordinal -3, detail "kind:count,…", holds what became claimable, which is then not notified; and ordinal -1,
-- when runs were submitted for a later time, the seconds until the first one's.
create or replace function ops.submit_each(
  p_members jsonb, p_patience_ms int default null, p_gather boolean default false)
returns setof ops.member_answer
language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan
  set enable_seqscan = off set jit = off set enable_bitmapscan = off
as $$
declare
  v_answers ops.member_answer[];
  v_left    jsonb;
  v_plain   record;
begin
  if p_patience_ms is not null then
    perform set_config('lock_timeout', p_patience_ms::text, true);
  end if;
  perform ops.gather_ready(true);
  perform ops.lock_request_keys(w.workspace, w.alone) from (
    select coalesce(m #>> '{body,workspace}', 'default') as workspace, bool_or(ops.keeps_key_alone(m -> 'body')) as alone
      from jsonb_array_elements(p_members) m
     where m #>> '{body,idempotency_key}' is not null group by 1 order by 1) w;
  v_answers := ops.submits_on_record(p_members);
  v_left := case when p_members #> '{0,recorded_only}' = 'true' then '[]'
                 else ops.unanswered(p_members, v_answers) end;
  select * into v_plain from ops.submit_plain_guarded(v_left);
  v_answers := v_answers || v_plain.answers;
  v_answers := v_answers || ops.submit_singly(ops.unanswered(v_left, v_plain.answers), v_plain.ready);
  return query
    select a.ordinal, a.code, case when a.code is null and x.whole then ops.submitted_whole(a.detail) else a.detail end
      from unnest(v_answers) a
      join (select (m ->> 'ordinal')::int as ordinal, coalesce((m ->> 'whole')::boolean, false) as whole
              from jsonb_array_elements(p_members) m) x on x.ordinal = a.ordinal;
  if p_gather then
    return query select -3, null::text, told from ops.gathered_ready() told where told is not null;
    if jsonb_path_exists(p_members, '$[*].body.not_before') then
      return query select -1, null::text, due::text from ops.next_due() due where due is not null;
    end if;
  else
    perform ops.notify_gathered();
  end if;
end
$$;

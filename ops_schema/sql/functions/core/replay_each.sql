-- Replay dead letters: for each a new run with retry_of, as ops.retry_run makes it; at most 500 at once.
--   p_refs [run_id or number]
-- Returns (ordinal, code, detail) for each, in the order given from 0: detail is the new Run, or the refusal OPN01,
-- OPC05 (it has not failed, is a pipeline's task, or was retried already: `run_id` and `number` name that run), OPX01.
-- Raises OPU01, OPU02, OPV01.
create or replace function ops.replay_each(p_token_id uuid, p_refs jsonb) returns setof ops.member_answer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token   ops.tokens := ops.require(p_token_id, array['operator']);
  v_refs    text[]     := ops.text_array(p_refs, 'runs');
  v_runs    uuid[];
  v_member  record;
  v_new     uuid;
  v_code    text;
  v_message text;
  v_members text;
  v_hint    text;
begin
  if coalesce(cardinality(v_refs), 0) not between 1 and 500 then
    perform ops.invalid('/runs', 'must name 1 to 500 runs');
  end if;
  v_runs := array(
    select r.run_id from ops.runs r
     where (r.run_id = any (array(select f::uuid from unnest(v_refs) f
                                   where f ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'))
            or r.number = any (array(select f::bigint from unnest(v_refs) f where f ~ '^[0-9]{1,18}$')))
       and (v_token.workspaces is null or r.workspace = any (v_token.workspaces)));
  perform ops.gather_ready(true);
  perform ops.lock_tries(v_runs);
  perform ops.lock_planned_keys((
    select jsonb_agg(jsonb_build_object('workspace', r.workspace, 'key', r.concurrency_key, 'limit', r.concurrency_limit))
      from ops.runs r where r.concurrency_key is not null and (r.run_id = any (v_runs)
        or r.pipeline_run_id = any (v_runs))), true);
  perform from ops.runs r where r.run_id = any (v_runs) order by r.run_id for update;
  for v_member in select t.ref, (t.n - 1)::int as ordinal from unnest(v_refs) with ordinality t (ref, n) order by t.n loop
    begin
      v_new := ops.replay_one(v_token, ops.resolve_run(p_token_id, v_member.ref));
      return next row(v_member.ordinal, null, ops.run_json(v_new)::text)::ops.member_answer;
    exception when others then
      get stacked diagnostics v_code = returned_sqlstate, v_message = message_text, v_members = pg_exception_detail,
                              v_hint = pg_exception_hint;
      return query select v_member.ordinal, r.p_code, r.detail
                     from ops.refusal(v_code, v_message, v_members, v_hint) r;
    end;
  end loop;
  perform ops.notify_gathered();
end
$$;

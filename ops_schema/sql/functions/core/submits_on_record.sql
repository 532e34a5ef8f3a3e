-- Answers for the members of a batch whose idempotency key is on record with the same body. Those of tokens that may
-- not, and those with another body, are left to ops.submit_one, which says so. The caller holds the key locks.
create or replace function ops.submits_on_record(p_members jsonb) returns ops.member_answer[]
language plpgsql volatile set search_path = '' set enable_seqscan = off set jit = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  return array(
    with sent as materialized (
      select (m ->> 'ordinal')::int as ordinal, (m ->> 'token_id')::uuid as token_id, m -> 'body' as body,
             coalesce(m #>> '{body,workspace}', 'default') as workspace, m #>> '{body,idempotency_key}' as key
        from jsonb_array_elements(p_members) m where m #>> '{body,idempotency_key}' is not null
    ), known as materialized (
      select s.*, coalesce(
               (select r.run_id from ops.runs r
                 where r.workspace = s.workspace and r.idempotency_key = s.key limit 1),
               (select q.run_id from ops.retry_requests q
                 where q.workspace = s.workspace and q.idempotency_key = s.key limit 1)) as run_id
        from sent s
    )
    select row(k.ordinal, null, ops.submitted_answer(r.run_id, r.number, r.state, true))::ops.member_answer
      from known k
      cross join lateral (select * from ops.runs x where x.run_id = k.run_id offset 0) r
     where k.run_id is not null
       and coalesce(case when r.idempotency_key = k.key then r.request_digest end,
                    (select q.request_digest from ops.retry_requests q
                      where q.workspace = k.workspace and q.idempotency_key = k.key limit 1)) = ops.submit_digest(k.body)
       and (select true from ops.tokens t
             where t.token_id = k.token_id and t.role = 'operator' and ops.token_is_live(t)
               and (t.workspaces is null or k.workspace = any (t.workspaces)) limit 1));
end
$$;

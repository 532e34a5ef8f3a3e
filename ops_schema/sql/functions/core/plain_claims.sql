-- Guard and lock: the claims of a batch that are plain, in two statements for all: well formed, sent by an active
-- executor with a token that lives, not on record, and not twice in the batch. ops.checked_claim judges the rest.
--   p_claims [{ordinal, token_id, executor_id, body}]
create or replace function ops.plain_claims(p_claims jsonb) returns ops.member_claim[]
language plpgsql volatile set search_path = ''
as $$
begin
  -- all of them, in one order, by a statement before the one that reads what they were answered
  perform pg_advisory_xact_lock(ops.request_lock(i.request_id))
     from (select distinct lower(c #>> '{body,request_id}') as request_id from jsonb_array_elements(p_claims) c
            where c #>> '{body,request_id}' ~ '^[0-9A-Fa-f-]{36}$' order by 1) i;
  return array(
    with sent as materialized (
      select (c ->> 'ordinal')::int as ordinal, (c ->> 'token_id')::uuid as token_id,
             (c ->> 'executor_id')::uuid as executor_id, (c #>> '{body,request_id}')::uuid as request_id,
             c -> 'body' as body, count(*) over (partition by c #>> '{body,request_id}') as times
        from jsonb_array_elements(p_claims) c where ops.is_plain_claim(c -> 'body')
    )
    select row(s.ordinal, s.executor_id, s.request_id, ops.claim_digest(s.body), (s.body ->> 'max_runs')::int,
               case when jsonb_typeof(s.body -> 'queues') = 'array'
                    then array(select jsonb_array_elements_text(s.body -> 'queues')) end, ops.claim_filter(e, s.body), null, s.ordinal)::ops.member_claim
      from sent s
      join ops.executors e on e.executor_id = s.executor_id and e.token_id = s.token_id and e.state = 'active'
      join ops.tokens t on t.token_id = s.token_id and t.role = 'executor' and ops.token_is_live(t)
     where s.times = 1
       and (select q.request_id from ops.claim_requests q
             where q.executor_id = s.executor_id and q.request_id = s.request_id limit 1) is null);
end
$$;

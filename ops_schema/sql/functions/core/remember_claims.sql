-- Mutate: what claims were answered, for the next time they are sent. An empty answer is not remembered.
create or replace function ops.remember_claims(p_claims ops.member_claim[], p_starts ops.member_start[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  insert into ops.claim_requests (executor_id, request_id, body_digest, runs, created_at)
  select c.executor_id, c.request_id, c.body_digest, ('[' || string_agg(
           concat('{"run_id": "', s.run_id, '", "epoch": ', s.epoch, '}'), ',' order by s.n) || ']')::jsonb, ops.now()
    from unnest(p_starts) with ordinality s (ordinal, executor_id, run_id, epoch, pipeline_run_id, reserved, n)
    join unnest(p_claims) c on c.ordinal = s.ordinal
   group by c.executor_id, c.request_id, c.body_digest;
end
$$;

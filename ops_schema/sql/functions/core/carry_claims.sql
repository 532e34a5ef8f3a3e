-- Mutate: start runs for the claims of a batch and answer them. Claims of one filter are picked for together and are
-- served in their order. The caller has locked the concurrency keys ahead (ops.lock_keys_ahead) if there are any.
create or replace function ops.carry_claims(p_claims ops.member_claim[]) returns ops.member_answer[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_starts ops.member_start[] := '{}';
  v_group  ops.member_start[];
  v_first  ops.member_claim;
begin
  for v_first in
    select distinct on (c.filter) c.* from unnest(p_claims) c where c.repeated is null order by c.filter, c.ordinal
  loop
    v_group := ops.share_out(
      array(select c from unnest(p_claims) c where c.repeated is null and c.filter = v_first.filter order by c.ordinal));
    -- started before the next group looks: to its own transaction a locked run is still there to be had
    perform ops.start_runs(v_group);
    v_starts := v_starts || v_group;
  end loop;
  insert into ops.claim_requests (executor_id, request_id, body_digest, runs, created_at)
  select c.executor_id, c.request_id, c.body_digest,
         (select jsonb_agg(jsonb_build_object('run_id', s.run_id, 'epoch', r.epoch))
            from unnest(v_starts) s join ops.runs r on r.run_id = s.run_id where s.ordinal = c.ordinal), ops.now()
    from unnest(p_claims) c
   where c.repeated is null and c.ordinal in (select s.ordinal from unnest(v_starts) s);
  return ops.claim_answers(p_claims, v_starts);
end
$$;

-- Mutate: start runs for the claims of a batch and answer them. Claims of one filter are picked for together and are
-- served in their order. The caller has locked the concurrency keys ahead (ops.lock_keys_ahead) if there are any;
-- budgets are locked once, when all is picked.
create or replace function ops.carry_claims(p_claims ops.member_claim[]) returns ops.member_answer[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_new    ops.member_claim[];
  v_starts ops.member_start[] := '{}';
  v_filter bytea;
begin
  v_new := array(select c from unnest(p_claims) c where c.repeated is null and c.same_as = c.ordinal order by c.ordinal);
  for v_filter in select distinct c.filter from unnest(v_new) c order by c.filter loop
    v_starts := v_starts || ops.share_out(
      array(select c from unnest(v_new) c where c.filter = v_filter order by c.ordinal),
      array(select s.run_id from unnest(v_starts) s));
  end loop;
  v_starts := ops.start_runs(ops.reserve_budgets(v_starts));
  if cardinality(v_starts) > 0 then
    perform ops.start_pipelines(v_starts);
    perform ops.remember_claims(v_new, v_starts);
  end if;
  return ops.claim_answers(p_claims, v_starts);
end
$$;

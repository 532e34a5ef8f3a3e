-- Plan what ops.exchange_each runs, for no rows. A plan is kept as it was made, so the settings are those of that verb.
create or replace function ops.warm_up_exchange() returns void
language plpgsql volatile set search_path = ''
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off
  set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_nobody ops.member_start[] := array[row(0, gen_random_uuid(), gen_random_uuid(), null, null, null)];
begin
  perform ops.report_each('[]');
  perform ops.checked_claims('[]');
  perform ops.promote_ready(0, 'claim');
  perform ops.start_runs(v_nobody);
  perform ops.start_pipelines(v_nobody);
  perform ops.remember_claims('{}', '{}');
  perform ops.claim_answers('{}', '{}');
  perform ops.next_due();
  perform ops.gathered_ready();
end
$$;

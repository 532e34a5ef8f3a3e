-- Whether an executor of this token holds the lease of a run whose template names this bundle.
create or replace function ops.runs_bundle(p_token_id uuid, p_sha256 text) returns boolean
language sql stable set search_path = ''
as $$
  select exists (
    select from ops.executors e
      join ops.leases l on l.executor_id = e.executor_id
      join ops.runs r on r.run_id = l.run_id and r.epoch = l.epoch
      join ops.templates t on t.template_id = r.template_id
     where e.token_id = p_token_id and t.spec #>> '{bundle,sha256}' = p_sha256)
$$;

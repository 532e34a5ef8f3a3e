-- Those of the artifacts named that an attempt of the run has announced whose lease the caller holds, as
-- ops.get_artifact answers them.
create or replace function ops.announced_artifacts(p_token_id uuid, p_run_id uuid, p_artifact_ids uuid[]) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform ops.require(p_token_id, array['executor']);
  return coalesce((
    select jsonb_agg(ops.artifact_json(a)) from ops.artifacts a
      join ops.leases l on l.run_id = a.run_id and l.epoch = a.epoch
      join ops.executors e on e.executor_id = l.executor_id and e.token_id = p_token_id
     where a.run_id = p_run_id and a.artifact_id = any(p_artifact_ids)), '[]');
end
$$;

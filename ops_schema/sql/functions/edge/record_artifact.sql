-- recordArtifact: the server has seen the bytes in the store (or the table's version needs none). Guard, lock, mutate,
-- emit. Recording again is no error. It becomes visible with the accepted report.
create or replace function ops.record_artifact(p_token_id uuid, p_run_id uuid, p_artifact_id uuid, p_body jsonb)
returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_epoch    bigint := ops.body_epoch(p_body);
  v_lease    ops.leases := ops.hold_unreported(p_token_id, p_run_id, v_epoch);
  v_artifact ops.artifacts;
begin
  select * into v_artifact from ops.artifacts a
   where a.artifact_id = p_artifact_id and a.run_id = p_run_id and a.epoch = v_epoch;
  if v_artifact.artifact_id is null then
    perform ops.fail('OPN04', format('run %s has no artifact %s in epoch %s', p_run_id, p_artifact_id, v_epoch),
      jsonb_build_object('artifact_id', p_artifact_id), 'Begin the artifact first.');
  end if;
  if v_artifact.state = 'begun' then
    update ops.artifacts a set state = 'recorded', recorded_at = ops.now()
     where a.artifact_id = p_artifact_id
    returning * into v_artifact;
    perform ops.emit(p_run_id, 'artifact.recorded', v_epoch, ops.executor_actor(v_lease.executor_id),
      jsonb_build_object('artifact_id', v_artifact.artifact_id, 'name', v_artifact.name, 'kind', v_artifact.kind,
      'size', v_artifact.size, 'sha256', v_artifact.sha256));
  end if;
  return ops.artifact_json(v_artifact);
end
$$;

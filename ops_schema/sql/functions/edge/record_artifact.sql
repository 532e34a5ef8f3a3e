-- recordArtifact: the server has seen the bytes in the store (or the table's version needs none). Guard, lock, mutate,
-- emit. Recording again is no error. It becomes visible with the accepted report. verify_ms: what it took the server to
-- read and hash them, when the store had no digest of the whole.
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
    perform pg_advisory_xact_lock_shared(ops.object_lock(v_artifact.object_key));
    if exists (select from ops.condemned_objects c
                where c.object_key = v_artifact.object_key and c.state = 'deleting') then
      perform ops.fail('OPR01', 'an object of other bytes is being removed from the place of these', '{}',
                       'Send the request again in a second.');
    end if;
    update ops.artifacts a set
      state = 'recorded', recorded_at = ops.now(), verify_ms = (p_body ->> 'verify_ms')::bigint
     where a.artifact_id = p_artifact_id
    returning * into v_artifact;
    perform ops.emit(p_run_id, 'artifact.recorded', v_epoch, ops.executor_actor(v_lease.executor_id),
      jsonb_build_object('artifact_id', v_artifact.artifact_id, 'name', v_artifact.name, 'kind', v_artifact.kind,
      'size', v_artifact.size, 'sha256', v_artifact.sha256)
      || jsonb_strip_nulls(jsonb_build_object('verify_ms', v_artifact.verify_ms)));
  end if;
  return ops.artifact_json(v_artifact);
end
$$;

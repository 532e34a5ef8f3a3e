-- Guard and lock as ops.hold_unreported, then the attempt's artifact, one with bytes. Raises what that raises, OPN04
-- when the attempt has none such.
create or replace function ops.begun_artifact(p_token_id uuid, p_run_id uuid, p_artifact_id uuid, p_epoch bigint)
returns ops.artifacts
language plpgsql volatile set search_path = ''
as $$
declare
  v_artifact ops.artifacts;
begin
  perform ops.hold_unreported(p_token_id, p_run_id, p_epoch);
  select * into v_artifact from ops.artifacts a
   where a.artifact_id = p_artifact_id and a.run_id = p_run_id and a.epoch = p_epoch and a.object_key is not null;
  if v_artifact.artifact_id is null then
    perform ops.fail('OPN04',
      format('run %s has no artifact %s with bytes in epoch %s', p_run_id, p_artifact_id, p_epoch),
      jsonb_build_object('artifact_id', p_artifact_id), 'Begin the artifact first.');
  end if;
  return v_artifact;
end
$$;

-- One artifact of a workspace that the caller may enter. Executors see what an accepted report made visible, which is
-- what inputs are, and what they upload under a lease of their own; people also see what is still on its way.
create or replace function ops.get_artifact(p_token_id uuid, p_artifact_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller   ops.tokens := ops.require(p_token_id, array['executor', 'operator', 'viewer']);
  v_artifact ops.artifacts;
begin
  select a.* into v_artifact
    from ops.artifacts a
    join ops.runs r on r.run_id = a.run_id
   where a.artifact_id = p_artifact_id and ops.may_enter(v_caller, r.workspace)
     and (v_caller.role <> 'executor' or a.state = 'visible' or exists (
           select from ops.leases l
             join ops.executors e on e.executor_id = l.executor_id
            where l.run_id = a.run_id and l.epoch = a.epoch and e.token_id = p_token_id));
  if v_artifact.artifact_id is null then
    perform ops.fail('OPN04', format('there is no artifact %s to read here', p_artifact_id),
      jsonb_build_object('artifact_id', p_artifact_id), null);
  end if;
  return ops.artifact_json(v_artifact);
end
$$;

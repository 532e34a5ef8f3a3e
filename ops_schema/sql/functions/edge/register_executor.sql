-- registerExecutor: guard, then one row per instance. The same instance again is the same executor, and counts as seen.
create or replace function ops.register_executor(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_caller     ops.tokens := ops.require(p_token_id, array['executor']);
  v_version    text   := ops.choose_contract_version(p_body #>> '{contract,min}', p_body #>> '{contract,max}');
  v_workspaces text[] := ops.text_array(p_body -> 'workspaces', 'workspaces');
  v_executor   ops.executors;
begin
  if not ops.setting('kinds') ? coalesce(p_body ->> 'kind', '') then
    perform ops.fail('OPV03', format('kind: %L is no executor kind here', p_body ->> 'kind'),
      jsonb_build_object('kinds', ops.setting('kinds')), 'Use one of the kinds, or add yours to the setting `kinds`.');
  end if;
  perform ops.check_workspaces(v_workspaces);
  if v_caller.workspaces is not null then
    if not coalesce(v_workspaces, v_caller.workspaces) <@ v_caller.workspaces then
      perform ops.fail('OPU02', 'this token does not open all of the workspaces asked for',
        jsonb_build_object('workspaces', to_jsonb(v_caller.workspaces)), 'Ask for fewer, or use another token.');
    end if;
    v_workspaces := coalesce(v_workspaces, v_caller.workspaces);
  end if;

  insert into ops.executors as e
    (executor_id, instance_id, token_id, name, kind, version, contract_min, contract_max, contract_version,
     capabilities, labels, workspaces, slots, host, pid, registered_at, last_seen_at)
  values
    (ops.uuid7(), (p_body ->> 'instance_id')::uuid, p_token_id, p_body ->> 'name', p_body ->> 'kind',
     p_body ->> 'version', p_body #>> '{contract,min}', p_body #>> '{contract,max}', v_version,
     coalesce(p_body -> 'capabilities', '{}'), coalesce(p_body -> 'labels', '{}'), v_workspaces,
     coalesce((p_body ->> 'slots')::int, 1), p_body ->> 'host', (p_body ->> 'pid')::int, ops.now(), ops.now())
  on conflict (instance_id) do update set last_seen_at = ops.now(), trouble = null where e.token_id = p_token_id
  returning * into v_executor;

  if v_executor.executor_id is null then
    perform ops.fail('OPU02', 'this instance_id was registered with another token', '{}', 'Make a new instance_id.');
  elsif v_executor.state = 'left' then
    perform ops.fail('OPC09', format('executor %s has left', v_executor.number),
      jsonb_build_object('executor_id', v_executor.executor_id), 'Register again with a new instance_id.');
  end if;
  return ops.registration_json(v_executor);
end
$$;

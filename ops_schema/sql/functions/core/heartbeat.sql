-- Heartbeat: renew the leases named, all of them in one statement, and say a directive for each.
--   p_body {state: active|draining, trouble?, runs: [{run_id, epoch, progress|null, usage|null, metrics?}]}
-- Returns {directive, heartbeat_seconds, server_time, runs: [{run_id, epoch, directive, lease_deadline|null,
-- reason|null, grace_seconds|null, caps|null, cap_rules?}]} in the order sent. A stale member is told so (superseded,
-- already_terminal) and never fails the others. Touches leases only, and a run's row but where its cost passes a cap
-- and nobody holds it, so that it waits for nobody but a report of the same run. Raises OPU01, OPU02, OPN03, OPC09,
-- OPV01.
create or replace function ops.heartbeat(p_token_id uuid, p_executor_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off
  set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_executor ops.executors := ops.own_executor(p_token_id, p_executor_id);
  v_state    text := coalesce(p_body ->> 'state', 'active');
  v_runs     jsonb := coalesce(nullif(p_body -> 'runs', 'null'), '[]');
begin
  if v_state not in ('active', 'draining') then
    perform ops.invalid('/state', 'must be active or draining');
  elsif jsonb_typeof(v_runs) <> 'array' then
    perform ops.invalid('/runs', 'must be a list');
  end if;

  perform ops.renew_leases(p_executor_id, v_runs);
  perform ops.enforce_costs(p_executor_id, v_runs);
  update ops.executors set last_seen_at = ops.now(), trouble = nullif(left(p_body ->> 'trouble', 1024), '')
   where executor_id = p_executor_id returning * into v_executor;
  if v_executor.state = 'left' then  -- since it was looked at above
    perform ops.own_executor(p_token_id, p_executor_id);
  elsif v_state = 'draining' and v_executor.state <> 'draining' then  -- by itself: nobody's word any more
    update ops.executors set state = 'draining', state_at = null, state_by = null, state_reason = null
     where executor_id = p_executor_id returning * into v_executor;
  end if;

  return jsonb_build_object(
    'directive', case v_executor.state when 'draining' then 'drain' else 'continue' end,
    'heartbeat_seconds', ops.heartbeat_seconds(p_executor_id), 'server_time', ops.iso(ops.now()),
    'runs', ops.directives(v_executor, v_runs));
end
$$;

-- Why a run is not running (or what it is doing): {run_id, state, reasons: [{code, message, detail}]}.
-- Raises OPU01, OPN01.
create or replace function ops.why_run(p_token_id uuid, p_ref text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_token ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run   ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = ops.resolve_run(v_token.token_id, p_ref);
  return jsonb_build_object('run_id', v_run.run_id, 'state', v_run.state, 'reasons',
    case v_run.state when 'waiting' then ops.why_waiting(v_run)
                     when 'queued' then ops.why_queued(v_run)
                     when 'running' then ops.why_running(v_run)
                     else jsonb_build_array(ops.reason(v_run.state, format('it has %s', v_run.state),
                       jsonb_build_object('finished_at', ops.iso(v_run.finished_at), 'state_reason', v_run.state_reason,
                                          'error', v_run.error - 'trace'))) end);
end
$$;

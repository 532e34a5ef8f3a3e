-- Why a run is not running, what it is doing, or why it ended as it did: {run_id, state, reasons: [{code, message,
-- detail}]}. A pipeline that goes on names the tasks that it waits for. Raises OPU01, OPN01.
create or replace function ops.why_run(p_token_id uuid, p_ref text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_token ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run   ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = ops.resolve_run(v_token.token_id, p_ref);
  return jsonb_build_object('run_id', v_run.run_id, 'state', v_run.state,
                            'reasons', ops.why_reasons(v_run, v_token.workspaces)
                                       || ops.why_open_tasks(v_run, v_token.workspaces));
end
$$;

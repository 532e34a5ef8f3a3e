-- What a run, or a pipeline with its tasks, read and made, who made what it read, who read what it made, and the events
-- that tell of it: {run_id, number, inputs: [{namespace, name, version, runs}], outputs: [same], events: [{event_type,
-- at, state, error, body}]}. runs: [{run_id, number, template_name}], the latest first, fifty at most, of workspaces
-- open to the caller. Raises OPU01, OPU02, OPN01.
create or replace function ops.run_lineage(p_token_id uuid, p_ref text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run    ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = ops.resolve_run(p_token_id, p_ref);
  return jsonb_build_object('run_id', v_run.run_id, 'number', v_run.number,
    'inputs', ops.lineage_side(v_run, 'input', v_caller), 'outputs', ops.lineage_side(v_run, 'output', v_caller),
    'events', (select coalesce(jsonb_agg(jsonb_build_object('run_id', l.run_id, 'event_type', l.event_type,
                        'at', l.body -> 'eventTime', 'state', l.state, 'error', l.error, 'body', l.body)
                        order by l.lineage_id), '[]')
                 from (select * from ops.lineage x where x.run_id in (select ops.run_family(v_run))
                        order by x.lineage_id limit 1000) l));
end
$$;

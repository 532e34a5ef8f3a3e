-- Mutate and emit: a step of the sweep (ops.sweep_each): a run was not started within its cap queue_seconds; it fails,
-- and the ledger of caps says by how much it was passed. Answers {ended}.
create or replace function ops.end_unstarted_one(p_run_id uuid, p_actor text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_run     ops.runs;
  v_limit   numeric;
  v_waited  numeric;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id;
  v_limit := (ops.effective_caps(v_run.workspace, v_run.template_name, v_run.caps) ->> 'queue_seconds')::numeric;
  v_waited := round(extract(epoch from ops.now() - v_run.queued_at)::numeric, 3);
  perform ops.note_cap(p_run_id, v_run.epoch, p_actor, jsonb_build_object(
    'layer', 'admission', 'cap', 'queue_seconds', 'limit', v_limit, 'observed', v_waited,
    'overshoot_ms', round((v_waited - v_limit) * 1000), 'action', 'failed'));
  perform ops.finish_run(p_run_id, 'failed', 'queue_seconds', p_actor, jsonb_build_object(
    'class', 'resources', 'code', 'queue_seconds', 'message', format(
      'not started for %s s, its cap queue_seconds is %s; add executors, or have the cap raised', v_waited, v_limit)));
  return jsonb_build_object('ended', jsonb_build_array(p_run_id));
end
$$;

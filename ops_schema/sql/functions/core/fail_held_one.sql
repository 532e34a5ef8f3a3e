-- Mutate and emit: a step of the sweep (ops.sweep_each): a run that a budget held which refuses fails.
create or replace function ops.fail_held_one(p_run_id uuid, p_actor text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_run ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id;
  perform ops.finish_run(p_run_id, 'failed', 'budget_exhausted', p_actor, jsonb_build_object(
    'class', 'resources', 'code', 'budget_exhausted', 'message', ops.why_budget(v_run) -> 0 ->> 'message'));
  return jsonb_build_object('ended', jsonb_build_array(p_run_id));
end
$$;

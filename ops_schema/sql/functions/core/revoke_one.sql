-- Mutate and emit: a step of the sweep (ops.sweep_each): nobody obeyed the run's cancellation. Answers {ended}.
create or replace function ops.revoke_one(p_run_id uuid, p_actor text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_run ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id;
  perform ops.revoke(v_run, p_actor);
  return jsonb_build_object('ended', jsonb_build_array(p_run_id));
end
$$;

-- Mutate and emit: a step of the sweep (ops.sweep_each): ops.unblock of one run. Answers {ended}.
create or replace function ops.unblock_one(p_run_id uuid, p_actor text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
begin
  return jsonb_build_object('ended', to_jsonb(ops.unblock(array[p_run_id], p_actor)));
end
$$;

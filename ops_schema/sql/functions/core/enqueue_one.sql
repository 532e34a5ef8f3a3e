-- Mutate and emit: a step of the sweep (ops.sweep_each): ops.enqueue of one run. Answers {ended}.
create or replace function ops.enqueue_one(p_run_id uuid, p_actor text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
begin
  perform ops.enqueue(array[p_run_id], p_actor);
  return '{"ended": []}';
end
$$;

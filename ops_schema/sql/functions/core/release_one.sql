-- Mutate and emit: a step of ops.leave_executor, taken by ops.sweep_each: the executor goes and gives a run back. The
-- caller holds run and lease. Answers as ops.take_back does.
create or replace function ops.release_one(p_run_id uuid, p_actor text) returns jsonb
language sql volatile set search_path = ''
as $$
  select ops.take_back(p_run_id, jsonb_build_object('class', 'internal', 'code', 'released', 'message', t.told), p_actor,
                       jsonb_build_object('reason', t.told))
    from (select 'the executor stopped and gave the run back' as told) t
$$;

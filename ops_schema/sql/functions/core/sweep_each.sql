-- Mutate and emit: a sweep's steps, each of a locked run: p_steps[n] names the function that is done to p_run_ids[n].
-- A step is ops.<name>(run_id uuid, actor text) and answers {ended: [run_id], …}; runs that ended are settled, once
-- for all. A step that raises changes nothing and is passed over (ops.pass_over); if what follows from the ends
-- raises, every step is taken again with its own consequences, so that one run's do not undo the others'.
-- Returns the answers of the steps done, with run_id added.
create or replace function ops.sweep_each(p_steps text[], p_run_ids uuid[], p_actor text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_done jsonb;
begin
  if cardinality(p_run_ids) = 0 then
    return '[]';
  end if;
  begin
    v_done := ops.steps_guarded(p_steps, p_run_ids, p_actor, false);
    perform ops.settle(array(select e::uuid from jsonb_array_elements(v_done) d
                               cross join jsonb_array_elements_text(d -> 'ended') e), p_actor);
    return v_done;
  exception when others then
    perform ops.pass_over(sqlstate, sqlerrm, 'what follows from the ends of a sweep');
  end;
  return ops.steps_guarded(p_steps, p_run_ids, p_actor, true);
end
$$;

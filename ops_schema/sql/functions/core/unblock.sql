-- Mutate: look again at runs that wait for their parents. Ready ones get their inputs and go to the queue (or go on
-- waiting for their time); those whose condition can no longer hold are skipped; one whose succeeded parent left no
-- such output fails. A pipeline lets its first tasks go, or takes all its tasks along; a task that is ready while its
-- pipeline waits for other runs waits with it. What was done already for the same inputs is not done again
-- (ops.reuse_each). The caller has locked them in run-id order in an earlier statement, so
-- the parents read here are no older than the lock. Returns the runs that ended; the caller settles those.
create or replace function ops.unblock(p_run_ids uuid[], p_actor text) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_run     record;
  v_inputs  jsonb;
  v_ready   uuid[] := '{}';
  v_ended   uuid[] := '{}';
  v_reused  uuid[];
begin
  for v_run in
    select r.run_id, r.kind, r.not_before, r.pipeline_run_id, ops.run_verdict(r.run_id, r.condition) as verdict from ops.runs r
     where r.run_id = any (p_run_ids) and r.state = 'waiting' and r.state_reason = 'waiting_on_dependency'
     order by r.run_id
  loop
    -- taken along by its pipeline a moment ago
    continue when v_run.run_id = any (v_ended);
    if v_run.verdict = 'never' then
      perform ops.finish_run(v_run.run_id, 'skipped', 'condition_not_met', p_actor);
      v_ended := v_ended || v_run.run_id || ops.skip_tasks(v_run.run_id, p_actor);
    elsif v_run.verdict = 'ready' and v_run.kind = 'pipeline' then
      v_ready := v_ready || ops.free_tasks(v_run.run_id, p_actor);
    elsif v_run.verdict = 'ready' then
      v_inputs := ops.resolve_inputs(v_run.run_id);
      if v_inputs -> 'missing' <> '[]' then
        perform ops.finish_run(v_run.run_id, 'failed', 'input_missing', p_actor,
            ops.missing_input_error(v_inputs -> 'missing'));
        v_ended := v_ended || v_run.run_id;
      else
        update ops.runs set inputs = v_inputs -> 'inputs'
         where run_id = v_run.run_id and v_inputs -> 'inputs' <> '[]';
        if v_run.pipeline_run_id is not null and exists (
             select from ops.runs p where p.run_id = v_run.pipeline_run_id and p.state_reason = 'waiting_on_dependency') then
          update ops.runs set state_reason = 'waiting_on_pipeline' where run_id = v_run.run_id;
          perform ops.emit(v_run.run_id, 'run.waiting', null, p_actor);
        elsif v_run.not_before > ops.now() then
          update ops.runs set state_reason = 'not_before' where run_id = v_run.run_id;
          perform ops.emit(v_run.run_id, 'run.waiting', null, p_actor, jsonb_build_object('not_before',
              ops.iso(v_run.not_before)));
        else
          v_ready := v_ready || v_run.run_id;
        end if;
      end if;
    end if;
  end loop;

  v_reused := ops.reuse_each(v_ready, p_actor);
  perform ops.enqueue(array(select x.run_id from unnest(v_ready) with ordinality x (run_id, n)
                             where x.run_id <> all (v_reused) order by x.n), p_actor);
  return v_ended || v_reused;
end
$$;

-- Mutate and emit: a pipeline waits for other runs no longer, only for its tasks. Returns those of its first tasks that
-- are ready; the others go on waiting for their time.
create or replace function ops.free_tasks(p_pipeline_run_id uuid, p_actor text) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_later uuid[];
begin
  update ops.runs set state_reason = 'waiting_on_tasks' where run_id = p_pipeline_run_id;
  perform ops.emit(p_pipeline_run_id, 'run.waiting', null, p_actor);
  v_later := array(select r.run_id from ops.runs r where r.pipeline_run_id = p_pipeline_run_id
                      and r.state_reason = 'waiting_on_pipeline' and r.not_before > ops.now() order by r.run_id);
  if cardinality(v_later) > 0 then
    update ops.runs set state_reason = 'not_before' where run_id = any (v_later);
    perform ops.append_events(v_later, 'run.waiting', p_actor);
  end if;
  return array(select r.run_id from ops.runs r
                where r.pipeline_run_id = p_pipeline_run_id and r.state_reason = 'waiting_on_pipeline' order by r.run_id);
end
$$;

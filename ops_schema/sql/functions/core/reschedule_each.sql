-- Mutate and emit: these locked runs, where they wait or are queued, or are pipelines, get another priority or time.
-- The time counts only for those that wait for a time, for parents or for their pipeline's.
create or replace function ops.reschedule_each(p_run_ids uuid[], p_schedule jsonb, p_reason text, p_actor text)
returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_run   ops.runs;
  v_old   ops.runs;
  v_moved uuid[] := '{}';
begin
  for v_old in
    select * from ops.runs r where r.run_id = any (p_run_ids)
       and (r.state in ('waiting', 'queued') or (r.kind = 'pipeline' and not ops.is_terminal(r.state)))
     order by r.ready_seq nulls last, r.run_id
  loop
    v_run := v_old;
    v_run.priority := coalesce((p_schedule ->> 'priority')::int, v_old.priority);
    if p_schedule ? 'not_before' and (v_old.kind = 'pipeline' or v_old.state_reason in
        ('not_before', 'retry_backoff', 'waiting_on_dependency', 'waiting_on_pipeline')) then
      -- now, for one that waits, is a time that has come
      v_run.not_before := coalesce((p_schedule ->> 'not_before')::timestamptz,
                                   case when v_old.not_before is not null then least(v_old.not_before, ops.now()) end);
    end if;
    continue when (v_run.priority, v_run.not_before) is not distinct from (v_old.priority, v_old.not_before);
    update ops.runs set priority = v_run.priority, not_before = v_run.not_before where run_id = v_run.run_id;
    perform ops.emit(v_run.run_id, 'run.rescheduled', null, p_actor, jsonb_build_object('reason', p_reason,
      'priority', v_run.priority, 'priority_before', v_old.priority,
      'not_before', ops.iso(v_run.not_before), 'not_before_before', ops.iso(v_old.not_before)));
    if v_run.state = 'queued' then
      v_moved := v_moved || v_run.run_id;
    end if;
  end loop;
  perform ops.draw_ready(v_moved);
  perform ops.enqueue(array(select r.run_id from ops.runs r where r.run_id = any (p_run_ids) and ops.is_due(r)
                             order by r.not_before, r.run_id), p_actor);
end
$$;

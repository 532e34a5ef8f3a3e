-- The reasons of a waiting run: waiting_on_dependency (one per parent not done), waiting_on_tasks, not_before,
-- retry_backoff, budget_exhausted (one per budget without room), rerun_unsafe, held_by_rule, paused;
-- attempt_released when an executor that left gave it back.
create or replace function ops.why_waiting(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_reasons jsonb := ops.why_paused(p_run);
begin
  if p_run.state_reason = 'waiting_on_dependency' then
    return v_reasons || (
      select coalesce(jsonb_agg(ops.reason('waiting_on_dependency',
               format('waits for run %s (%s), which is %s', p.number, coalesce(p.task_key, p.template_name), p.state),
               jsonb_build_object('run_id', p.run_id, 'number', p.number, 'task_key', p.task_key, 'state', p.state,
                                  'condition', p_run.condition)) order by p.number), '[]')
        from ops.run_dependencies d join ops.runs p on p.run_id = d.depends_on
       where d.run_id = p_run.run_id and not ops.is_terminal(p.state));
  end if;
  if p_run.state_reason = 'budget_exhausted' then
    return v_reasons || ops.why_budget(p_run) || ops.why_released(p_run);
  end if;
  return v_reasons || ops.reason(p_run.state_reason, case p_run.state_reason
      when 'not_before' then format('not before %s', ops.iso(p_run.not_before))
      when 'retry_backoff' then format('attempt %s failed; the next starts at %s', p_run.attempt,
          ops.iso(p_run.not_before))
      when 'rerun_unsafe' then ops.why_rerun_unsafe(p_run)
      when 'held_by_rule' then 'a routing rule holds it: retry or cancel it'
      when 'waiting_on_pipeline' then 'its pipeline waits for other runs'
      when 'waiting_on_tasks' then 'none of its tasks has started'
      else p_run.state_reason end,
    jsonb_build_object('not_before', ops.iso(p_run.not_before), 'attempt', p_run.attempt))
    || ops.why_released(p_run);
end
$$;

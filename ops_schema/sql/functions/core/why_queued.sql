-- The reasons of a queued run: paused, queue_paused, deadline_passed, why no executor takes it (ops.why_no_executor),
-- concurrency_key_held, unless it is paused itself position_in_queue, and attempt_released when an executor that left
-- gave it back.
create or replace function ops.why_queued(p_run ops.runs, p_workspaces text[]) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_reasons jsonb := ops.why_paused(p_run) || ops.why_queue_paused(p_run.queue);
begin
  if p_run.deadline <= ops.now() then
    v_reasons := v_reasons || ops.reason('deadline_passed', format('its deadline %s has passed',
        ops.iso(p_run.deadline)));
  end if;
  v_reasons := v_reasons || ops.why_no_executor(p_run) || ops.why_key_held(p_run);
  return case when p_run.paused then v_reasons else v_reasons || ops.queue_position(p_run, p_workspaces) end
         || ops.why_released(p_run);
end
$$;

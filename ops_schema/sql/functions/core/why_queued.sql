-- The reasons of a queued run: paused, deadline_passed, no_executor_alive, no_executor_for_workspace,
-- no_executor_with_capability, concurrency_key_held, and always position_in_queue.
create or replace function ops.why_queued(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_reasons jsonb := '[]';
begin
  if p_run.paused then
    v_reasons := v_reasons || ops.reason('paused', 'it is paused');
  elsif p_run.deadline <= ops.now() then
    v_reasons := v_reasons || ops.reason('deadline_passed', format('its deadline %s has passed',
        ops.iso(p_run.deadline)));
  end if;
  return v_reasons || ops.why_no_executor(p_run) || ops.why_key_held(p_run) || ops.queue_position(p_run);
end
$$;

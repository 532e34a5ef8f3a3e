-- The reasons of a failed run: how its last attempt ended (ops.why_attempt), then why there was no other one
-- (ops.why_no_retry); or what failed it outside of an attempt: task_failed (one per task of a pipeline),
-- publication_failed, deadline_passed, queue_seconds, input_missing.
create or replace function ops.why_failed(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
begin
  if p_run.kind = 'pipeline' then
    return ops.why_tasks(p_run, 'failed');
  elsif p_run.state_reason in ('publication_failed', 'deadline_passed', 'queue_seconds', 'input_missing') then
    return jsonb_build_array(ops.reason(p_run.state_reason,
      format('it failed at %s: %s', ops.iso(p_run.finished_at), p_run.error ->> 'message'),
      jsonb_build_object('finished_at', ops.iso(p_run.finished_at), 'attempt', p_run.attempt,
                         'error', p_run.error - 'trace', 'outputs', ops.failed_outputs(p_run))));
  end if;
  return ops.why_attempt(p_run) || ops.why_no_retry(p_run);
end
$$;

-- The reasons of a cancelled run: cancelled (by whom, when, why, and how it took effect), what had become of it before
-- (ops.why_attempt, rerun_unsafe), and of a pipeline that nobody cancelled as a whole, its cancelled tasks.
create or replace function ops.why_cancelled(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_asked  jsonb := ops.last_event(p_run.run_id, array['run.cancel_requested']);
  v_ended  jsonb := ops.last_event(p_run.run_id, array['run.cancelled']);
  v_gave   jsonb := ops.last_event(p_run.run_id, array['attempt.reported', 'run.cancelled']);
  v_before jsonb := ops.last_event(p_run.run_id, array['run.submitted', 'run.waiting', 'run.queued', 'run.started',
                                                       'run.retry_scheduled']);
  v_how    text;
begin
  if v_asked is null and p_run.kind = 'pipeline' then
    return ops.why_tasks(p_run, 'cancelled');
  end if;
  v_how := case when v_asked is null then 'given_up'
                when p_run.kind = 'pipeline' then 'with_its_tasks'
                when p_run.state_reason = 'cancelled' then 'obeyed'
                when p_run.state_reason is null then 'before_it_ran'
                when v_ended ->> 'actor' = 'reactor' then 'not_obeyed'
                else 'forced' end;
  return jsonb_build_array(ops.reason('cancelled',
    format('cancelled by %s at %s: %s; %s', regexp_replace(coalesce(v_asked, v_ended) ->> 'actor', '^operator:', ''),
      coalesce(v_asked, v_ended) ->> 'at',
      coalesce(p_run.cancel_reason, v_gave #>> '{data,reason}', 'no reason was told'),
      case v_how when 'given_up' then 'its executor gave it up, nobody had asked'
                 when 'with_its_tasks' then 'it ended with the last of its tasks'
                 when 'obeyed' then 'its executor stopped it'
                 when 'before_it_ran' then 'it was not running'
                 when 'not_obeyed' then 'its executor did not stop it in time, so its lease was revoked'
                 else 'its lease was revoked at once' end),
    jsonb_build_object('by', coalesce(v_asked, v_ended) -> 'actor', 'requested_at', v_asked -> 'at',
      'reason', coalesce(p_run.cancel_reason, v_gave #>> '{data,reason}'), 'how', v_how,
      'finished_at', ops.iso(p_run.finished_at), 'attempt', p_run.attempt)))
    || ops.why_attempt(p_run)
    || case when v_before #>> '{data,state_reason}' = 'rerun_unsafe' then jsonb_build_array(
         ops.reason('rerun_unsafe', ops.why_rerun_unsafe(p_run))) else '[]' end;
end
$$;

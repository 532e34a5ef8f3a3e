-- Why a failed run was not tried again: one reason, named as ops.route_decision named it.
create or replace function ops.why_no_retry(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_on    jsonb;
  v_class text := coalesce(p_run.error ->> 'class', 'internal');
begin
  select ops.retry_classes(ops.own_retry(t.spec, p_run.retry)) into v_on from ops.templates t
   where t.template_id = p_run.template_id;
  return jsonb_build_array(ops.reason(p_run.state_reason, case p_run.state_reason
      when 'not_retryable' then format('no retry: the template retries %s errors, not %s ones',
        coalesce((select string_agg(c, ', ') from jsonb_array_elements_text(v_on) c), 'no'), v_class)
      when 'attempts_exhausted' then format('no retry: attempt %s was the last of %s', p_run.attempt,
        p_run.max_attempts)
      when 'expirations_exhausted' then format('no retry: %s of its attempts lost their executor', p_run.expirations)
      when 'rule' then 'no retry: a routing rule says so'
      else format('no retry: %s', p_run.state_reason) end,
    jsonb_build_object('class', v_class, 'retry_on', v_on, 'attempt', p_run.attempt,
                       'max_attempts', p_run.max_attempts, 'expirations', p_run.expirations)));
end
$$;

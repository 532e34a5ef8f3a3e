-- What a child run takes from its pipeline's submit body, unless the task says otherwise: scheduling and tracing.
create or replace function ops.inherited(p_body jsonb, p_task jsonb) returns jsonb
language sql stable parallel safe
return jsonb_strip_nulls(jsonb_build_object(
  'priority', coalesce(p_task -> 'priority', p_body -> 'priority'),
  'queue', coalesce(p_task -> 'queue', p_body -> 'queue'),
  'not_before', p_body -> 'not_before', 'deadline', p_body -> 'deadline', 'labels', p_body -> 'labels',
  'traceparent', p_body -> 'traceparent'));

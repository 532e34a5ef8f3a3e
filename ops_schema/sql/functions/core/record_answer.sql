-- Mutate: build the answer to a report and keep it for the next time the same report is sent.
create or replace function ops.record_answer(p_attempt ops.attempts, p_route jsonb) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_answer jsonb;
begin
  v_answer := jsonb_build_object(
    'run_id', p_attempt.run_id, 'epoch', p_attempt.epoch, 'attempt', p_attempt.attempt, 'outcome', p_attempt.outcome,
    'repeated', false, 'run_state', (select r.state from ops.runs r where r.run_id = p_attempt.run_id),
    'route', p_route,
    'publications', (
      select coalesce(jsonb_agg(jsonb_build_object(
               'output', p.output, 'state', p.state, 'app_id', p.app_id, 'app_version', p.app_version,
               'recorded_at', ops.iso(p.recorded_at)) order by p.output), '[]')
        from ops.publications p where p.run_id = p_attempt.run_id and p.epoch = p_attempt.epoch));
  update ops.attempts set answer = v_answer where run_id = p_attempt.run_id and epoch = p_attempt.epoch;
  return v_answer;
end
$$;

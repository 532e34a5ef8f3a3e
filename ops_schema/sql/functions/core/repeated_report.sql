-- The answer to a report of an attempt that has been reported: what was answered then, with repeated = true, when the
-- outcome is the same. Raises OPC02 with what is on record when it is another.
-- A body that differs is noted once, of each attempt the first ten; no other event comes to a run that has ended.
create or replace function ops.repeated_report(p_attempt ops.attempts, p_body jsonb) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_digest bytea := ops.digest(p_body);
begin
  if p_attempt.outcome <> p_body ->> 'outcome' then
    perform ops.fail('OPC02', format('epoch %s was reported as %s', p_attempt.epoch, p_attempt.outcome),
      jsonb_build_object('outcome', p_attempt.outcome, 'reported_at', ops.iso(p_attempt.reported_at)),
      'The first report stands; do not send another outcome.');
  end if;
  if p_attempt.report_digest <> v_digest and not ops.is_noted(p_attempt, v_digest) then
    perform ops.emit(p_attempt.run_id, 'report.differs', p_attempt.epoch, ops.executor_actor(p_attempt.executor_id),
      jsonb_build_object('digest_on_record', encode(p_attempt.report_digest, 'hex'),
                         'digest_sent', encode(v_digest, 'hex')));
    perform ops.keep_dropped_head(p_attempt.run_id);
  end if;
  return coalesce(p_attempt.answer, ops.plain_answer(p_attempt.run_id, p_attempt.epoch, p_attempt.attempt)::jsonb)
         || '{"repeated": true}';
end
$$;

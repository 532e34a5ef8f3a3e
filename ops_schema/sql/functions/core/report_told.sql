-- What events tell of an accepted report: {outcome, attempt, report_digest}; of a failure its error without the trace,
-- of a cancellation the reason that the executor gave.
create or replace function ops.report_told(p_attempt ops.attempts, p_body jsonb) returns jsonb
language sql stable parallel safe
return jsonb_build_object('outcome', (p_attempt).outcome, 'attempt', (p_attempt).attempt,
                          'report_digest', encode((p_attempt).report_digest, 'hex'))
       || case when (p_attempt).error is null then '{}'
               else jsonb_build_object('error', (p_attempt).error - 'trace') end
       || case when (p_attempt).outcome <> 'cancelled' then '{}'
               else jsonb_build_object('reason', p_body -> 'reason') end;

-- What a report is answered that ended its run as a success with nothing to publish, as JSON text. Not stored: it says
-- nothing that the attempt's row does not.
create or replace function ops.plain_answer(p_run_id uuid, p_epoch bigint, p_attempt int) returns text
language sql stable parallel safe
return concat('{"run_id": "', p_run_id, '", "epoch": ', p_epoch, ', "attempt": ', p_attempt,
  ', "outcome": "succeeded", "repeated": false, "run_state": "succeeded", "route": {"decision": "finish", '
     '"reason": "succeeded", "retry_at": null}, "publications": []}');

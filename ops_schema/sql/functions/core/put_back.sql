-- Mutate and emit: a run that was running waits for its next attempt, or for a person (p_decision 'wait').
-- A retry that is due at once goes straight to the queue.
create or replace function ops.put_back(
  p_run_id uuid, p_decision text, p_reason text, p_retry_at timestamptz, p_actor text)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if p_decision = 'wait' then
    update ops.runs set state = 'waiting',
        state_reason = case p_reason when 'rule' then 'held_by_rule' else p_reason end,
           not_before = null where run_id = p_run_id;
    perform ops.emit(p_run_id, 'run.waiting', null, p_actor);
  elsif p_retry_at > ops.now() then
    update ops.runs set state = 'waiting', state_reason = 'retry_backoff', not_before = p_retry_at
     where run_id = p_run_id;
    perform ops.emit(p_run_id, 'run.retry_scheduled', null, p_actor,
                     jsonb_build_object('retry_at', ops.iso(p_retry_at)));
  else
    update ops.runs set not_before = null where run_id = p_run_id;
    perform ops.enqueue(array[p_run_id], p_actor);
  end if;
end
$$;

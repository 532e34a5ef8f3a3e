-- Mutate and emit: carry out what ops.route_decision says of an attempt that ended without success. The caller holds
-- the run's lock, has ended the attempt, and settles the run if `ended` says so. p_at_once: a retry without backoff.
-- Returns the contract's route {decision, reason, retry_at|null} plus {ended: bool}.
create or replace function ops.route_run(
  p_run_id uuid, p_outcome text, p_error jsonb, p_actor text, p_result jsonb default null,
  p_told jsonb default null, p_at_once boolean default false)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_run      ops.runs;
  v_decision jsonb;
  v_retry_at timestamptz;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id;
  v_decision := ops.route_decision(v_run, (select t.spec from ops.templates t where t.template_id = v_run.template_id),
                                   p_outcome, p_error);
  if v_decision ->> 'decision' in ('finish', 'escalate') then
    perform ops.finish_run(p_run_id, case when v_decision ->> 'reason' = 'cancelled' then 'cancelled' else 'failed' end,
                           v_decision ->> 'reason', p_actor, p_error, p_result, coalesce(p_told, '{}'));
    if v_decision ->> 'decision' = 'escalate' then
      perform ops.emit(p_run_id, 'run.escalated', null, p_actor, v_decision);
    end if;
  else
    if p_told is not null then
      perform ops.emit(p_run_id, 'attempt.reported', v_run.epoch, p_actor, p_told);
    end if;
    delete from ops.leases where run_id = p_run_id;
    if v_run.concurrency_key is not null then
      perform ops.announce_freed(array[ops.key_of(v_run.workspace, v_run.concurrency_key)]);
    end if;
    v_retry_at := ops.now() + ops.seconds(case when p_at_once then 0 else 1 end * (v_decision ->> 'delay')::numeric);
    perform ops.put_back(p_run_id, v_decision ->> 'decision', v_decision ->> 'reason', v_retry_at, p_actor);
  end if;
  return jsonb_build_object('decision', v_decision ->> 'decision', 'reason', v_decision ->> 'reason',
                            'retry_at', ops.iso(v_retry_at),
                            'ended', v_decision ->> 'decision' in ('finish', 'escalate'));
end
$$;

-- Guard: the idempotency key has not reported another attempt of this executor. The caller holds the key's advisory
-- lock. Raises OPC03.
create or replace function ops.check_report_key(p_attempt ops.attempts, p_key text) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_other ops.attempts;
begin
  select * into v_other from ops.attempts a
   where a.executor_id = p_attempt.executor_id and a.idempotency_key = p_key
     and (a.run_id, a.epoch) <> (p_attempt.run_id, p_attempt.epoch);
  if v_other.run_id is not null then
    perform ops.fail('OPC03', format('idempotency key %s reported epoch %s of run %s',
        p_key, v_other.epoch, v_other.run_id),
      jsonb_build_object('run_id', v_other.run_id, 'epoch', v_other.epoch), 'Use a new key for each attempt.');
  end if;
end
$$;

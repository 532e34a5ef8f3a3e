-- Mutate and emit: what the executor enforced goes to the ledger. Raises OPV01.
create or replace function ops.record_caps(p_attempt ops.attempts, p_ledger jsonb) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_entry jsonb;
begin
  for v_entry in select e from jsonb_array_elements(p_ledger) e loop
    if coalesce(v_entry ->> 'layer', '') not in ('admission', 'engine', 'watchdog', 'control_room', 'settlement') then
      perform ops.invalid('/cap_ledger/layer', 'must be admission, engine, watchdog, control_room or settlement');
    end if;
    insert into ops.cap_ledger (run_id, epoch, layer, cap, "limit", observed, overshoot, overshoot_ms, action, at)
    values (p_attempt.run_id, p_attempt.epoch, v_entry ->> 'layer', v_entry ->> 'cap', (v_entry ->> 'limit')::numeric,
            (v_entry ->> 'observed')::numeric,
            coalesce((v_entry ->> 'overshoot')::numeric,
                (v_entry ->> 'observed')::numeric - (v_entry ->> 'limit')::numeric),
            (v_entry ->> 'overshoot_ms')::numeric, coalesce(v_entry ->> 'action', 'stop'), ops.now());
    perform ops.emit(p_attempt.run_id, 'cap.enforced', p_attempt.epoch, ops.executor_actor(p_attempt.executor_id),
        v_entry);
  end loop;
end
$$;

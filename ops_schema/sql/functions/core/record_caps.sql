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
    perform ops.note_cap(p_attempt.run_id, p_attempt.epoch, ops.executor_actor(p_attempt.executor_id), v_entry);
  end loop;
end
$$;

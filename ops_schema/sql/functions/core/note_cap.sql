-- Mutate and emit: one row of the ledger of caps, and the event that tells it: cap.warned when the run goes on
-- untouched, else cap.enforced. p_entry {layer, cap, limit, observed, overshoot?, overshoot_ms?, action?}.
create or replace function ops.note_cap(p_run_id uuid, p_epoch bigint, p_actor text, p_entry jsonb) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_action text := coalesce(p_entry ->> 'action', 'stop');
begin
  insert into ops.cap_ledger (run_id, epoch, layer, cap, "limit", observed, overshoot, overshoot_ms, action, at)
  values (p_run_id, p_epoch, p_entry ->> 'layer', p_entry ->> 'cap', (p_entry ->> 'limit')::numeric,
          (p_entry ->> 'observed')::numeric,
          coalesce((p_entry ->> 'overshoot')::numeric,
              (p_entry ->> 'observed')::numeric - (p_entry ->> 'limit')::numeric),
          (p_entry ->> 'overshoot_ms')::numeric, v_action, ops.now());
  perform ops.emit(p_run_id, case v_action when 'warned' then 'cap.warned' else 'cap.enforced' end, p_epoch, p_actor,
                   p_entry);
end
$$;

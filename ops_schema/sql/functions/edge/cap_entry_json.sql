-- One enforcement of a cap.
create or replace function ops.cap_entry_json(p_entry ops.cap_ledger) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'run_id', (p_entry).run_id,
    'epoch', (p_entry).epoch,
    'layer', (p_entry).layer,
    'cap', (p_entry).cap,
    'limit', (p_entry)."limit",
    'observed', (p_entry).observed,
    'overshoot', (p_entry).overshoot,
    'overshoot_ms', (p_entry).overshoot_ms,
    'action', (p_entry).action,
    'at', ops.iso((p_entry).at))
$$;

-- Mutate and emit: an attempt costs more than a limit allows; in the ledger and the events once for each action. The
-- caller holds the run.
create or replace function ops.note_cost(p_run_id uuid, p_epoch bigint, p_limit numeric, p_cost numeric, p_action text)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if exists (select from ops.cap_ledger e where e.run_id = p_run_id and e.epoch = p_epoch and e.cap = 'cost'
                and (e.action = p_action or e.action <> 'warned')) then
    return;
  end if;
  perform ops.note_cap(p_run_id, p_epoch, 'reactor', jsonb_build_object(
    'layer', 'control_room', 'cap', 'cost', 'limit', p_limit, 'observed', p_cost, 'action', p_action));
end
$$;

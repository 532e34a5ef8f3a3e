-- Mutate and emit: a step of the sweep (ops.sweep_each): an executor did not stop a run that passed a cap; it is taken
-- from it; see ops.take_back. The caller holds run and lease.
create or replace function ops.take_capped_one(p_run_id uuid, p_actor text) returns jsonb
language sql volatile set search_path = ''
as $$
  select ops.take_back(p_run_id, jsonb_build_object('class', 'resources', 'code', 'cap_exceeded',
           'message', ops.caps_text(jsonb_build_array(ops.cap_entry_json(e))) || '; its executor did not stop it'),
           p_actor, '{}', false)
    from ops.leases l join ops.cap_ledger e on e.run_id = l.run_id and e.epoch = l.epoch and e.layer = 'control_room'
                                           and e.action <> 'warned'
   where l.run_id = p_run_id order by e.entry_id limit 1
$$;

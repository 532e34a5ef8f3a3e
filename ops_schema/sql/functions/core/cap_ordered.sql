-- The error of an attempt that reports that it stopped as it was told, when it was told so because a cap was passed
-- (ops.enforce_costs); else null.
create or replace function ops.cap_ordered(p_attempt ops.attempts, p_body jsonb) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('class', 'resources', 'code', 'cap_exceeded',
           'message', ops.caps_text(jsonb_build_array(ops.cap_entry_json(e)))
                      || '; make the run smaller, or have the cap raised')
    from ops.cap_ledger e
    join ops.runs r on r.run_id = e.run_id and r.cancel_requested_at is null
   where p_body ->> 'outcome' = 'cancelled' and e.run_id = p_attempt.run_id and e.epoch = p_attempt.epoch
     and e.layer = 'control_room' and e.action <> 'warned'
   order by e.entry_id limit 1
$$;

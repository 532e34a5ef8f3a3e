-- The caps that stopped an attempt: [{cap, limit, observed, overshoot, layer}]; [] unless it was capped.
create or replace function ops.caps_met(p_attempt ops.attempts) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('cap', l.cap, 'limit', l."limit", 'observed', l.observed,
                                               'overshoot', l.overshoot, 'layer', l.layer) order by l.entry_id), '[]')
    from ops.cap_ledger l
   where (p_attempt).outcome = 'capped' and l.run_id = (p_attempt).run_id and l.epoch = (p_attempt).epoch
     and l.action not in ('warned', 'cut')
$$;

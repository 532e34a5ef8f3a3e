-- Mutate and emit: queued runs that found no room in a budget wait for it, with a row in the ledger of caps. Claims
-- that are waiting look again: what stands behind these may have room.
create or replace function ops.hold_for_budgets(p_starts ops.member_start[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_run_ids uuid[] := array(select s.run_id from unnest(p_starts) s);
  v_kinds   text[];
begin
  if cardinality(v_run_ids) = 0 then
    return;
  end if;
  update ops.runs r set state = 'waiting', state_reason = 'budget_exhausted', ready_seq = null
   where r.run_id = any (v_run_ids);
  v_kinds := array(select distinct r.kind from ops.runs r where r.run_id = any (v_run_ids));
  perform ops.append_events(v_run_ids, 'run.waiting', 'budget', array(
    select jsonb_build_object('budgets', ops.full_budgets(s.reserved)) from unnest(p_starts) s));
  insert into ops.cap_ledger (run_id, epoch, layer, cap, "limit", observed, overshoot, overshoot_ms, action, at)
  select r.run_id, r.epoch, 'admission', f.value ->> 'unit', (f.value ->> 'limit')::numeric,
         (f.value ->> 'used')::numeric + (f.value ->> 'reserved')::numeric + (f.value ->> 'estimate')::numeric, 0, 0,
         'held', ops.now()
    from unnest(p_starts) s join ops.runs r on r.run_id = s.run_id
   cross join lateral jsonb_array_elements(ops.full_budgets(s.reserved)) f;
  perform ops.notify_ready(v_kinds);
end
$$;

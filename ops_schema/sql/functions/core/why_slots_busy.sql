-- Whether all active ones without trouble of the executors that could take a run are full: [] or one reason that says
-- how many.
create or replace function ops.why_slots_busy(p_run ops.runs, p_executors ops.executors[]) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_slots bigint;
  v_busy  bigint;
  v_full  boolean;
  v_count int;
begin
  select sum(e.slots), sum(h.held), bool_and(h.held >= e.slots), count(*) into v_slots, v_busy, v_full, v_count
    from unnest(p_executors) e
   cross join lateral (select count(*) as held from ops.leases l where l.executor_id = e.executor_id) h
   where e.state = 'active' and e.trouble is null;
  if not v_full then
    return '[]';
  end if;
  return jsonb_build_array(ops.reason('all_slots_busy',
    format('all slots of the %s that could take it are busy: %s of %s',
           case v_count when 1 then format('one %s executor', p_run.kind)
                        else format('%s %s executors', v_count, p_run.kind) end, v_busy, v_slots),
    jsonb_build_object('executors', v_count, 'slots', v_slots, 'busy', v_busy)));
end
$$;

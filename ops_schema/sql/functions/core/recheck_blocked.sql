-- Mutate and emit: look again at runs that wait for parents and should not any more. Returns whether there were any. A
-- backstop, since whoever ends a run unblocks its dependents: once in ten seconds, p_limit waiting runs in run-id
-- order, from where the last look ended. A run that raises is passed over.
create or replace function ops.recheck_blocked(p_limit int, p_actor text) returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_duty  record;
  v_seen  uuid[];
  v_stuck uuid[];
begin
  select * into v_duty from ops.take_duty('recheck_blocked', 10);
  if not v_duty.due then
    return false;
  end if;
  v_seen := array(
    select r.run_id from ops.runs r
     where r.state = 'waiting' and r.state_reason = 'waiting_on_dependency'
       and r.run_id > coalesce(v_duty.place::uuid, '00000000-0000-0000-0000-000000000000')
     order by r.run_id limit p_limit);
  update ops.duties set place = case when cardinality(v_seen) = p_limit then v_seen[p_limit]::text end
   where name = 'recheck_blocked';
  v_stuck := array(
    select r.run_id from ops.runs r
     where r.run_id = any (v_seen) and r.state = 'waiting' and r.state_reason = 'waiting_on_dependency'
       and ops.run_verdict(r.run_id, r.condition) <> 'wait'
     order by r.run_id for update skip locked);
  perform ops.sweep_each(array_fill('unblock_one'::text, array[cardinality(v_stuck)]), v_stuck, p_actor);
  return cardinality(v_stuck) > 0;
end
$$;

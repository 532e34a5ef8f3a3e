-- Mutate and emit: look again at runs that wait for parents and should not any more. Returns whether there were any.
create or replace function ops.recheck_blocked(p_limit int, p_actor text) returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_stuck uuid[];
begin
  v_stuck := array(select r.run_id from ops.runs r
                    where r.state = 'waiting' and r.state_reason = 'waiting_on_dependency'
                      and ops.run_verdict(r.run_id, r.condition) <> 'wait'
                    order by r.run_id limit p_limit for update skip locked);
  if cardinality(v_stuck) = 0 then
    return false;
  end if;
  perform ops.settle(ops.unblock(v_stuck, p_actor), p_actor);
  return true;
end
$$;

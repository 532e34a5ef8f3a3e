-- Lock: the runs that an executor holds and has not reported, in run-id order, then their leases in the same order, and
-- answer which they are. A report, an expiry or another's claim that came first is seen: leases are read when the runs
-- are locked.
create or replace function ops.lock_held(p_executor_id uuid) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_runs uuid[] := array(select l.run_id from ops.leases l where l.executor_id = p_executor_id and l.reported_at is null);
begin
  perform from ops.runs r where r.run_id = any (v_runs) order by r.run_id for update;
  return array(select l.run_id from ops.leases l
                where l.run_id = any (v_runs) and l.executor_id = p_executor_id and l.reported_at is null
                order by l.run_id for update);
end
$$;

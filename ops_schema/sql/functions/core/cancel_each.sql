-- Mutate and emit: cancel these locked runs, each as its state asks, and have their executors look; those that have
-- ended or are publishing stay. Returns those that ended by it.
create or replace function ops.cancel_each(p_run_ids uuid[], p_reason text, p_force boolean, p_actor text)
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_run   ops.runs;
  v_ended uuid[] := '{}';
  v_asked uuid[] := '{}';
begin
  for v_run in
    select * from ops.runs r where r.run_id = any (p_run_ids) and r.state in ('waiting', 'queued', 'running')
       and r.state_reason is distinct from 'publishing' order by r.run_id
  loop
    if v_run.cancel_requested_at is null then
      update ops.runs set cancel_requested_at = ops.now(), cancel_reason = p_reason where run_id = v_run.run_id;
      perform ops.emit(v_run.run_id, 'run.cancel_requested', null, p_actor, jsonb_build_object('reason', p_reason));
    end if;
    if v_run.state = 'running' then
      v_asked := v_asked || v_run.executor_id;
    end if;
    if v_run.state <> 'running' then
      perform ops.finish_run(v_run.run_id, 'cancelled', null, p_actor);
      v_ended := v_ended || v_run.run_id;
    elsif p_force then
      perform ops.revoke(v_run, p_actor);
      v_ended := v_ended || v_run.run_id;
    end if;
  end loop;
  perform ops.tell_orders(v_asked);
  return v_ended;
end
$$;

-- Mutate and emit: pause or resume these locked runs, where that changes anything; those that have ended or are
-- publishing stay. Returns the runs changed, in run-id order.
create or replace function ops.set_paused(p_run_ids uuid[], p_paused boolean, p_reason text, p_actor text)
returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_changed uuid[];
begin
  v_changed := array(
    select r.run_id from ops.runs r
     where r.run_id = any (p_run_ids) and r.paused <> p_paused and not ops.is_terminal(r.state)
       and r.state_reason is distinct from 'publishing' order by r.run_id);
  update ops.runs set paused = p_paused where run_id = any (v_changed);
  perform ops.append_events(v_changed, case when p_paused then 'run.paused' else 'run.resumed' end, p_actor,
    array(select jsonb_build_object('reason', p_reason) from unnest(v_changed)));
  return v_changed;
end
$$;

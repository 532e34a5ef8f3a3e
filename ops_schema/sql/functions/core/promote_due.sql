-- The reactor's look at waiting runs: those whose time has come become ready, and those
-- that a budget held which has room now; those whose deadline has passed end;
-- those that were not started in time end (cap queue_seconds);
-- those that wait for parents are looked at again (a backstop: the verbs unblock them at once).
-- Returns {promoted, deadlines, unstarted, unblocked: bool}.
create or replace function ops.promote_due(p_limit int) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_promoted  int;
  v_late      int;
  v_unstarted int;
  v_unblocked boolean;
begin
  perform ops.gather_ready(true);
  v_unstarted := ops.end_unstarted_runs(p_limit, 'reactor');
  v_promoted := ops.promote_ready(p_limit, 'reactor') + ops.promote_held(p_limit, 'reactor');
  v_late := ops.end_late_runs(p_limit, 'reactor');
  v_unblocked := ops.recheck_blocked(p_limit, 'reactor');
  perform ops.notify_gathered();
  return jsonb_build_object('promoted', v_promoted, 'deadlines', v_late, 'unstarted', v_unstarted,
                            'unblocked', v_unblocked);
end
$$;

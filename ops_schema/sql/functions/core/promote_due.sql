-- The reactor's look at waiting runs: those whose time has come become ready; those whose deadline has passed end;
-- those that wait for parents are looked at again (a backstop: the verbs unblock them at once).
-- Returns {promoted, deadlines, unblocked: bool}.
create or replace function ops.promote_due(p_limit int) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_promoted int := ops.promote_ready(p_limit, 'reactor');
  v_late     int := ops.end_late_runs(p_limit, 'reactor');
begin
  return jsonb_build_object('promoted', v_promoted, 'deadlines', v_late,
                            'unblocked', ops.recheck_blocked(p_limit, 'reactor'));
end
$$;

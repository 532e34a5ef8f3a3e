-- Whether a run is paused: [] or one reason that says by whom, when and why.
create or replace function ops.why_paused(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_told jsonb;
begin
  if not p_run.paused then
    return '[]';
  end if;
  v_told := ops.last_event(p_run.run_id, array['run.paused']);
  return jsonb_build_array(ops.reason('paused',
    ops.paused_text('it was paused', regexp_replace(v_told ->> 'actor', '^operator:', ''), v_told ->> 'at',
                    v_told #>> '{data,reason}')
      || case p_run.state when 'running' then '; this attempt goes on, there is no other' else '' end,
    jsonb_build_object('by', v_told -> 'actor', 'at', v_told -> 'at', 'reason', v_told #> '{data,reason}')));
end
$$;

-- Refuse a run state that does not exist: OPV04.
create or replace function ops.check_states(p_states text[]) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_known   text[] := array['waiting', 'queued', 'running', 'succeeded', 'failed', 'cancelled', 'skipped'];
  v_unknown text;
begin
  select s into v_unknown from unnest(p_states) s where s <> all (v_known) limit 1;
  if v_unknown is not null then
    perform ops.fail('OPV04', format('state: %L is no run state', left(v_unknown, 80)),
      jsonb_build_object('states', v_known), 'Use one of: ' || array_to_string(v_known, ', ') || '.');
  end if;
end
$$;

-- Emit one event of one run; see ops.append_events.
create or replace function ops.append_event(
  p_run_id uuid, p_type text, p_actor text, p_data jsonb default '{}', p_epoch bigint default null)
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  perform ops.append_events(array[p_run_id], p_type, p_actor, array[p_data], p_epoch);
end
$$;

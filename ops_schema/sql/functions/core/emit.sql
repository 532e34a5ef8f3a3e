-- Emit one event of one run; see ops.append_events. p_epoch null: the run's own. The caller holds the run's lock.
create or replace function ops.emit(p_run_id uuid, p_type text, p_epoch bigint, p_actor text, p_data jsonb default '{}')
returns void
language plpgsql volatile set search_path = ''
as $$
begin
  perform ops.append_events(array[p_run_id], p_type, p_actor, array[p_data], p_epoch);
end
$$;

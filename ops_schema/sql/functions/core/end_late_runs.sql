-- Mutate and emit: runs whose deadline has passed. Those that do not run yet fail; those that run are asked to stop.
-- Returns how many. One that raises is passed over.
create or replace function ops.end_late_runs(p_limit int, p_actor text) returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_late uuid[];
begin
  v_late := array(
    select r.run_id from ops.runs r
     where r.deadline <= ops.now() and r.state in ('waiting', 'queued', 'running') and r.kind <> 'pipeline'
       and r.cancel_requested_at is null and r.state_reason is distinct from 'publishing'
     order by r.run_id limit p_limit for update skip locked);
  return jsonb_array_length(ops.sweep_each(array_fill('end_late_one'::text, array[cardinality(v_late)]), v_late, p_actor));
end
$$;

-- The run whose work a run shows: itself, or the one that it reused.
create or replace function ops.worker_of(p_run_id uuid) returns uuid
language sql stable
return (select coalesce(r.reused_from, r.run_id) from ops.runs r where r.run_id = p_run_id);

-- What a budget may be in: cost, units of usage, runs, and runs at a time.
create or replace function ops.budget_units() returns jsonb
language sql immutable parallel safe
return '["cost", "runs", "concurrency", "wall_seconds", "cpu_seconds", "scanned_bytes", "written_bytes", "rows_out",
         "log_bytes", "artifact_bytes", "artifact_count"]'::jsonb;

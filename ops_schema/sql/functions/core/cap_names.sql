-- The caps there are. Which of them an executor enforces, its capabilities say (`caps`); queue_seconds and cost are
-- enforced here.
create or replace function ops.cap_names() returns jsonb
language sql immutable parallel safe
return '["wall_seconds", "queue_seconds", "cpu_seconds", "memory_bytes", "scanned_bytes", "written_bytes", "rows_out",
         "log_bytes", "artifact_bytes", "artifact_count", "cost"]'::jsonb;

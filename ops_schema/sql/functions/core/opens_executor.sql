-- Whether who may see these workspaces (null: all) may steer an executor: all that it works in must be among them.
create or replace function ops.opens_executor(p_workspaces text[], p_executor ops.executors) returns boolean
language sql immutable parallel safe
return p_workspaces is null or coalesce((p_executor).workspaces <@ p_workspaces, false);

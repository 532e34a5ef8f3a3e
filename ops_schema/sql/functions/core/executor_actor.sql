-- How an executor is named in events.
create or replace function ops.executor_actor(p_executor_id uuid) returns text
language sql stable
return coalesce('executor:' || (select e.name from ops.executors e where e.executor_id = p_executor_id), 'executor');

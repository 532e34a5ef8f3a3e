-- How events name an executor.
create or replace function ops.executor_actor(p_executor_id uuid) returns text
language sql stable set search_path = ''
as $$
  select 'executor:' || e.name from ops.executors e where e.executor_id = p_executor_id
$$;

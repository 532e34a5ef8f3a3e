-- The task of that key in the nearest pipeline run that had one of its own, along those that this pipeline run retried.
-- Null when there is none.
create or replace function ops.former_task(p_pipeline_run_id uuid, p_task_key text) returns uuid
language sql stable set search_path = ''
as $$
  with recursive line (run_id, depth) as (
    select p.retry_of, 1 from ops.runs p where p.run_id = p_pipeline_run_id and p.retry_of is not null
    union all
    select p.retry_of, l.depth + 1 from line l join ops.runs p on p.run_id = l.run_id
     where p.retry_of is not null and l.depth < 100)
  select c.run_id from line l join ops.runs c on c.pipeline_run_id = l.run_id and c.task_key = p_task_key
   order by l.depth limit 1
$$;

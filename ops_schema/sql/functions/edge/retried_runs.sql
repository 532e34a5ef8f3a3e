-- The run, the one it retries, the one which that retries: nearest first, at most 10. A task of a pipeline run that was
-- retried stands for the task of the same key there, or in the run which that retried when it had kept that task.
create or replace function ops.retried_runs(p_run_id uuid) returns uuid[]
language sql stable set search_path = ''
as $$
  with recursive line as (
    select r.run_id, r.retry_of, r.pipeline_run_id, r.task_key, 1 as depth from ops.runs r where r.run_id = p_run_id
    union all
    select o.run_id, o.retry_of, o.pipeline_run_id, o.task_key, l.depth + 1
      from line l
      cross join lateral (
        select r.run_id, r.retry_of, r.pipeline_run_id, r.task_key from ops.runs r where r.run_id = l.retry_of
        union all
        select r.run_id, r.retry_of, r.pipeline_run_id, r.task_key
          from ops.runs r
         where l.retry_of is null and r.run_id = ops.former_task(l.pipeline_run_id, l.task_key)) o
     where l.depth < 10)
  select array_agg(l.run_id order by l.depth) from line l
$$;

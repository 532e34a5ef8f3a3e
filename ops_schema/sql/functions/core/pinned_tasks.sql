-- The template versions of a pipeline run's tasks, as {task key: template_id}: those of its own children, and of the
-- tasks that it had itself taken over from the pipeline run that it retried.
create or replace function ops.pinned_tasks(p_pipeline_run_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  with recursive line (run_id, depth) as (
    select p_pipeline_run_id, 0
    union all
    select r.retry_of, l.depth + 1 from line l join ops.runs r on r.run_id = l.run_id
     where r.retry_of is not null and l.depth < 100
  ), nearest as (
    select distinct on (c.task_key) c.task_key, c.template_id
      from line l join ops.runs c on c.pipeline_run_id = l.run_id
     order by c.task_key, l.depth)
  select jsonb_object_agg(n.task_key, n.template_id) from nearest n
$$;

-- The tasks of a pipeline run whose work is done, as {task key: run_id}: its own succeeded children, and those that it
-- had itself taken over from the pipeline run that it retried.
create or replace function ops.succeeded_tasks(p_pipeline_run_id uuid) returns jsonb
language plpgsql stable set search_path = ''
as $$
begin
  return (
    with recursive line (run_id, depth) as (
      select p_pipeline_run_id, 0
      union all
      select r.retry_of, l.depth + 1 from line l join ops.runs r on r.run_id = l.run_id
        join ops.runs p on p.run_id = r.retry_of
       where p.state <> 'succeeded' and l.depth < 100
    ), newest as (
      select distinct on (c.task_key) c.task_key, c.run_id, c.state
        from line l join ops.runs c on c.pipeline_run_id = l.run_id
       order by c.task_key, l.depth)
    select coalesce(jsonb_object_agg(n.task_key, n.run_id), '{}') from newest n where n.state = 'succeeded');
end
$$;

-- The run that a task of a pipeline's reproduction does again: the task of that key, else (it was kept from another
-- pipeline run) the pipeline itself: what it makes lies beside in any case.
create or replace function ops.task_reproduced(p_pipeline_run_id uuid, p_task_key text) returns uuid
language sql stable
return coalesce((select c.run_id from ops.runs c
                  where c.pipeline_run_id = p_pipeline_run_id and c.task_key = p_task_key), p_pipeline_run_id);

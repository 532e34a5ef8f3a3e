-- By which write path the executor that has a run, or had it last, may have written what a repetition writes once more:
-- one that it declared `at_least_once` (capabilities.writes) and the run uses. `engine`, by which the engine itself
-- writes, is used by every run, another by the outputs of that format. Null: all of them are fenced.
create or replace function ops.unfenced_path(p_run ops.runs) returns text
language sql stable set search_path = ''
as $$
  select w.key
    from ops.executors e
   cross join lateral jsonb_each_text(coalesce(e.capabilities -> 'writes', '{}')) w
   where e.executor_id = p_run.executor_id and w.value = 'at_least_once'
     and (w.key = 'engine' or exists (select from jsonb_array_elements(p_run.outputs) o where o ->> 'format' = w.key))
   order by w.key limit 1
$$;

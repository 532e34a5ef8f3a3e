-- By which write path the executor that has a run, or had it last, may have written what a repetition writes once more:
-- one that it declared `at_least_once` (capabilities.writes; every word but `fenced` counts so) and the run uses.
-- `engine`, by which the engine itself writes, is used by every run but one whose template says config.read_only (its
-- executor refuses to write then), one that bears the name of the template's config.adapter by its runs, another by the
-- outputs of that format. Null: all are fenced, as is what is published
-- by the contract's own way while nobody declared otherwise.
create or replace function ops.unfenced_path(p_run ops.runs) returns text
language sql stable set search_path = ''
as $$
  select w.key
    from ops.executors e
   cross join lateral jsonb_each(case when jsonb_typeof(e.capabilities -> 'writes') = 'object'
                                       then e.capabilities -> 'writes' end) w
   where e.executor_id = p_run.executor_id and w.value <> '"fenced"'
     and (w.key = 'engine' and not ops.is_read_only(p_run)
       or w.key = (select t.spec #>> '{config,adapter}' from ops.templates t where t.template_id = p_run.template_id)
       or exists (select from jsonb_array_elements(p_run.outputs) o where o ->> 'format' = w.key))
   order by w.key limit 1
$$;

-- The keys of a pipeline's tasks, parents before children, then by name. Raises OPV05 for a cycle, a task that
-- depends on one that does not exist, and a pipeline without tasks.
create or replace function ops.task_order(p_tasks jsonb) returns text[]
language plpgsql immutable set search_path = ''
as $$
declare
  v_done text[] := '{}';
  v_next text[];
  v_bad  record;
begin
  if jsonb_typeof(p_tasks) is distinct from 'object' or p_tasks = '{}' then
    perform ops.fail('OPV05', 'a pipeline needs at least one task', '{}', 'Give `tasks` as an object.');
  end if;
  select t.key as task, d as parent into v_bad
    from jsonb_each(p_tasks) t, unnest(ops.task_parents(t.value)) d where not p_tasks ? d limit 1;
  if found then
    perform ops.fail('OPV05', format('task %s depends on %s, which is no task of this pipeline', v_bad.task,
        v_bad.parent));
  end if;
  loop
    v_next := array(select t.key from jsonb_each(p_tasks) t
                     where t.key <> all (v_done) and ops.task_parents(t.value) <@ v_done order by t.key);
    exit when cardinality(v_next) = 0;
    v_done := v_done || v_next;
  end loop;
  if cardinality(v_done) < (select count(*) from jsonb_object_keys(p_tasks)) then
    perform ops.fail('OPV05', 'the tasks depend on each other in a circle: '
      || (select string_agg(k, ', ' order by k) from jsonb_object_keys(p_tasks) k where k <> all (v_done)));
  end if;
  return v_done;
end
$$;

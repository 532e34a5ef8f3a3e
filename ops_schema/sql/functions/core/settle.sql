-- Mutate: what follows from runs having ended: dependents are unblocked or skipped, level by level, and pipelines
-- derive their state. The caller has finished the runs in this transaction and holds their locks.
--
-- Lock order of the schema: concurrency keys by key, then runs by run_id, pipeline runs after all others. Everything
-- below the ended runs is locked in one statement, before any statement that reads parents: of two siblings ending at
-- once the second waits here, and then sees the first.
create or replace function ops.settle(p_run_ids uuid[], p_actor text) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_below     uuid[] := '{}';
  v_more      uuid[] := ops.descendants(p_run_ids);
  v_level     uuid[] := p_run_ids;
  v_ended     uuid[] := p_run_ids;
  v_pipelines uuid[];
begin
  if coalesce(cardinality(p_run_ids), 0) = 0 then
    return;
  end if;
  -- until nothing came below them while we waited for a lock
  while not v_more <@ v_below loop
    v_below := v_more;
    perform from ops.runs r where r.run_id = any (v_below) and r.state = 'waiting'
      order by r.kind = 'pipeline', r.run_id for update;
    v_more := ops.descendants(p_run_ids);
  end loop;
  while cardinality(v_below) > 0 and cardinality(v_level) > 0 loop
    v_level := ops.unblock(
      array(select d.run_id from ops.run_dependencies d where d.depends_on = any (v_level)), p_actor);
    v_ended := v_ended || v_level;
  end loop;

  v_pipelines := array(select distinct r.pipeline_run_id from ops.runs r
                        where r.run_id = any (v_ended) and r.pipeline_run_id is not null);
  if cardinality(v_pipelines) > 0 then
    perform ops.settle(ops.derive_pipelines(v_pipelines, p_actor), p_actor);
  end if;
end
$$;

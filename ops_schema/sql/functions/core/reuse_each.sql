-- Mutate and emit: of runs that are ready for the first time, those whose template reuses what was done for the same
-- inputs. Each gets its reuse key; one that may reuse, and for which the work was done, ends with that: succeeded, for
-- the reason `reused`, without an attempt, with the result of the run that it names. Paused runs are left as they are.
-- The caller holds their locks. Returns the runs that ended; the caller settles those.
create or replace function ops.reuse_each(p_run_ids uuid[], p_actor text) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  v_run   ops.runs;
  v_by    ops.runs;
  v_ended uuid[] := '{}';
begin
  for v_run in
    select r.* from ops.runs r join ops.templates t on t.template_id = r.template_id
     where r.run_id = any (p_run_ids) and t.spec ->> 'reuse' = 'same_inputs' and r.epoch = 0 and not r.paused
     order by r.run_id
  loop
    update ops.runs set reuse_key = ops.reuse_key(v_run) where run_id = v_run.run_id returning * into v_run;
    continue when not v_run.may_reuse;
    select * into v_by from ops.runs r where r.run_id = ops.reusable_run(v_run.reuse_key);
    continue when v_by.run_id is null;
    perform ops.finish_run(v_run.run_id, 'succeeded', 'reused', p_actor, null, v_by.result,
                           jsonb_build_object('reused_from', v_by.run_id, 'number', v_by.number));
    update ops.runs set reused_from = v_by.run_id where run_id = v_run.run_id;
    v_ended := v_ended || v_run.run_id;
  end loop;
  return v_ended;
end
$$;

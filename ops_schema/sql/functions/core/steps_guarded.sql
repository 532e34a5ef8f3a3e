-- See ops.sweep_each. p_settle: each step settles what it ended.
create or replace function ops.steps_guarded(p_steps text[], p_run_ids uuid[], p_actor text, p_settle boolean)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  v_step record;
  v_one  jsonb;
  v_done jsonb := '[]';
begin
  for v_step in select t.name, t.run_id from unnest(p_steps, p_run_ids) with ordinality t (name, run_id, n) order by t.n
  loop
    begin
      execute format('select ops.%I($1, $2)', v_step.name) into v_one using v_step.run_id, p_actor;
      if p_settle then
        perform ops.settle(array(select jsonb_array_elements_text(v_one -> 'ended')::uuid), p_actor);
      end if;
      v_done := v_done || (v_one || jsonb_build_object('run_id', v_step.run_id));
    exception when others then
      perform ops.pass_over(sqlstate, sqlerrm, format('%s run_id=%s', v_step.name, v_step.run_id));
    end;
  end loop;
  return v_done;
end
$$;

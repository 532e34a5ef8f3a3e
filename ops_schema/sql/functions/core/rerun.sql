-- Mutate and emit: a new run from an ended one; see ops.retry_run. What it waited for, it waits for again: the same
-- runs, which stay as they ended, so that it finds the same inputs, or is skipped again. A concurrency key keeps the
-- limit that newer submits gave it. p_failed_only: of a pipeline, the tasks that succeeded are not run again.
-- p_latest: the newest version of the template, not that of the ended run. A pipeline whose succeeded tasks are kept
-- stays what it was, as the kept ones are tasks of that; its other tasks take the newest of theirs. What the newest
-- version makes of the parameters comes from the server, as p_checked {template_version, params, tasks}.
-- A reproduction (p_place has reproduces) of a task, or of a run that waited for others, takes exactly the inputs that
-- the ended run had; what a reproduction makes lies beside, and so does what a further try of one makes.
-- Raises OPC12 {template, version, keep: [task key]} when p_checked is missing or was made by another version.
create or replace function ops.rerun(
  p_run ops.runs, p_key text, p_place jsonb, p_failed_only boolean default true, p_latest boolean default false,
  p_checked jsonb default null)
returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_template ops.templates;
  v_released int   := (select count(*) from ops.attempts a  -- attempts that cost it nothing
                        where a.run_id = p_run.run_id and ops.is_released(a.outcome, a.error));
  v_body     jsonb := jsonb_build_object('params', p_run.params, 'labels', p_run.labels, 'priority', p_run.priority,
    'queue', p_run.queue, 'max_attempts', p_run.max_attempts - v_released, 'retry', p_run.retry,
    'lease_seconds', p_run.lease_seconds, 'condition', p_run.condition, 'concurrency_key', p_run.concurrency_key,
    'concurrency_limit', p_run.concurrency_limit,
    'traceparent', p_run.traceparent, 'idempotency_key', p_key);
  v_parents  jsonb := (select coalesce(jsonb_agg(jsonb_build_object('depends_on', d.depends_on, 'inputs', d.inputs)
                                               order by d.depends_on), '[]')
                         from ops.run_dependencies d where d.run_id = p_run.run_id);
  v_repairs  boolean := p_run.kind = 'pipeline' and p_run.state <> 'succeeded' and p_failed_only;
  v_keep     jsonb := '{}';
  v_pinned   jsonb;
  v_new      uuid;
begin
  p_place := p_place || '{"rerun": true}';
  if p_place ? 'reproduces' and p_run.kind <> 'pipeline' then
    v_parents := '[]';
  elsif p_run.reproduces is not null then
    p_place := jsonb_build_object('reproduces', p_run.reproduces) || p_place;
  end if;
  if p_latest and not v_repairs then
    v_template := ops.find_template(p_run.workspace, p_run.template_name);
  else
    select * into v_template from ops.templates t where t.template_id = p_run.template_id;
  end if;
  v_body := v_body || jsonb_build_object('caps', ops.rerun_caps(p_run, v_template));
  if v_template.template_id = p_run.template_id then
    p_place := p_place || jsonb_build_object('cap_rules', p_run.cap_rules);
  end if;
  if v_repairs then
    v_keep := ops.succeeded_tasks(p_run.run_id);
  end if;
  if p_latest then
    perform ops.check_latest(p_run, v_template, p_checked, v_keep);
    v_body := v_body || jsonb_build_object('params', p_checked -> 'params');
  end if;
  if p_run.kind <> 'pipeline' then
    if v_parents = '[]' then
      p_place := p_place || jsonb_build_object('inputs', p_run.inputs);
    end if;
    v_new := ops.submit_template(v_template, v_body, p_place, v_parents);
    perform ops.announce(array[v_new]);
    return v_new;
  end if;
  if p_latest then
    v_pinned := p_checked -> 'tasks';
  else
    v_pinned := ops.pinned_tasks(p_run.run_id);
  end if;
  return ops.submit_template(v_template, v_body, p_place, v_parents, v_keep, coalesce(v_pinned, '{}'));
end
$$;

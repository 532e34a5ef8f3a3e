-- Mutate and emit: one new run of a template. Guards of the body's own fields are here; who may submit is the caller's.
--   p_body    the submit body (params, priority, queue, not_before, deadline, labels, caps, max_attempts, retry,
--             lease_seconds, concurrency_key, concurrency_limit, condition, traceparent, idempotency_key, dedupe_key,
--             reuse: 'never')
--   p_place   what the caller knows: {run_id, workspace, submitted_by, pipeline_run_id, task_key, retry_of, inputs,
--             held: true for a task whose pipeline waits for other runs, rerun: true when a key keeps its limit and
--             nothing is reused, cap_rules: what caps that it inherits say, reproduces: the run that is done again,
--             beside what that one published}
--   p_depends [{depends_on, inputs: {name: output}}]; a run with parents waits for them. They are locked here, so that
--             none ends unseen before this transaction does; the caller then looks at them with ops.unblock.
-- The run is ready at once unless it waits for parents, for its time, or is a pipeline; one whose template reuses what
-- was done waits for ops.unblock, too, which looks for that. Returns its run_id.
-- Raises OPV01, OPV02, OPV05, OPX01, OPX02.
create or replace function ops.create_run(
  p_template ops.templates, p_body jsonb, p_place jsonb, p_depends jsonb default '[]')
returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_run    ops.runs;
  v_spec   jsonb := p_template.spec;
  v_reuses boolean := coalesce(v_spec ->> 'reuse' = 'same_inputs', false);
begin
  v_run.run_id := coalesce((p_place ->> 'run_id')::uuid, ops.uuid7());
  v_run.workspace := p_place ->> 'workspace';
  v_run.params := ops.checked_params(v_spec -> 'params_schema', p_body -> 'params');
  v_run.outputs := ops.planned_outputs(v_run.workspace, v_spec, v_run.params);
  if p_place ? 'reproduces' then
    v_run.outputs := ops.outputs_beside(v_run.workspace, v_run.outputs, v_run.run_id);
  end if;
  v_run.labels := coalesce(v_spec -> 'labels', '{}') || coalesce(nullif(p_body -> 'labels', 'null'), '{}');
  v_run.caps := ops.tighten_caps(v_run.workspace, p_template.name, v_spec -> 'caps', nullif(p_body -> 'caps', 'null'));
  v_run.cap_rules := ops.tighten_rules(v_run.workspace, p_template.name, v_spec -> 'caps', nullif(p_body -> 'caps', 'null'),
                                       nullif(p_place -> 'cap_rules', 'null'), v_run.caps);
  if p_template.kind <> 'pipeline' then
    perform ops.check_budget_room(v_run.workspace, p_template.name, v_spec, v_run.caps);
  end if;
  v_run.not_before := (p_body ->> 'not_before')::timestamptz;
  v_run.concurrency_key := ops.planned_key(v_spec, p_body, v_run.params);
  v_run.concurrency_limit := ops.planned_limit(v_spec, p_body);
  v_run.max_attempts := coalesce((p_body ->> 'max_attempts')::int, (v_spec #>> '{retry,max_attempts}')::int, 3);
  v_run.retry := nullif(p_body -> 'retry', 'null');
  v_run.lease_seconds := coalesce((p_body ->> 'lease_seconds')::int, (v_spec ->> 'lease_seconds')::int,
                                  ops.setting_number('lease_seconds')::int);
  v_run.condition := coalesce(p_body ->> 'condition', 'all_success');
  perform ops.check_run(v_run);
  v_run.state := 'waiting';
  v_run.state_reason := case when p_depends <> '[]' or v_reuses then 'waiting_on_dependency'
                             when p_template.kind = 'pipeline' then 'waiting_on_tasks'
                             when p_place ? 'held' then 'waiting_on_pipeline'
                             when v_run.not_before > ops.now() then 'not_before' end;
  if v_run.state_reason is null then
    perform pg_current_xact_id();
    v_run.state := 'queued';
    v_run.ready_seq := nextval('ops.ready_seq');
    v_run.queued_at := ops.now();
  end if;
  if v_run.concurrency_key is not null then
    perform ops.declare_key(v_run.workspace, v_run.concurrency_key, v_run.concurrency_limit, p_place ? 'rerun');
  end if;
  if p_depends <> '[]' then
    perform from ops.runs r where r.run_id in (select (d ->> 'depends_on')::uuid from jsonb_array_elements(p_depends) d)
      order by r.run_id for share;
    perform ops.check_inputs(p_template, p_place ->> 'task_key', p_depends);
  end if;

  insert into ops.runs (
    run_id, workspace, template_id, template_name, template_version, kind, task_key, pipeline_run_id, retry_of,
    reproduces, may_reuse,
    params, inputs, outputs, labels, caps, cap_rules, max_attempts, retry, lease_seconds, requires,
    concurrency_key, concurrency_limit, condition, deadline, idempotency_key, request_digest, dedupe_key, traceparent, submitted_by, submitted_at,
    priority, queue, not_before, ready_seq, queued_at, state, state_reason)
  values (
    v_run.run_id, v_run.workspace, p_template.template_id, p_template.name, p_template.version, p_template.kind,
    p_place ->> 'task_key', (p_place ->> 'pipeline_run_id')::uuid, (p_place ->> 'retry_of')::uuid,
    (p_place ->> 'reproduces')::uuid,
    v_reuses and not p_place ? 'rerun' and p_body ->> 'reuse' is distinct from 'never',
    v_run.params, coalesce(p_place -> 'inputs', '[]'), v_run.outputs, v_run.labels, v_run.caps,
    v_run.cap_rules, v_run.max_attempts, v_run.retry, v_run.lease_seconds, ops.planned_requires(v_spec), v_run.concurrency_key,
    case when v_run.concurrency_key is not null then v_run.concurrency_limit end, v_run.condition,
    (p_body ->> 'deadline')::timestamptz, p_body ->> 'idempotency_key', decode(p_place ->> 'digest', 'hex'),
    p_body ->> 'dedupe_key', p_body ->> 'traceparent', p_place ->> 'submitted_by', ops.now(),
    coalesce((p_body ->> 'priority')::int, (v_spec ->> 'priority')::int, 0),
    coalesce(p_body ->> 'queue', v_spec ->> 'queue', 'default'),
    v_run.not_before, v_run.ready_seq, v_run.queued_at, v_run.state, v_run.state_reason);
  insert into ops.run_dependencies (run_id, depends_on, inputs)
  select v_run.run_id, (d ->> 'depends_on')::uuid, coalesce(d -> 'inputs', '{}') from jsonb_array_elements(p_depends) d;

  perform ops.emit(v_run.run_id, 'run.submitted', null, 'operator:' || (p_place ->> 'submitted_by'),
    jsonb_build_object('template', p_template.name, 'template_version', p_template.version,
                       'template_digest', p_template.digest,
                       'params_digest', encode(ops.digest(v_run.params), 'hex'), 'retry_of', p_place -> 'retry_of')
      || case when p_place ? 'reproduces' then jsonb_build_object('reproduces', p_place -> 'reproduces') else '{}' end);
  return v_run.run_id;
end
$$;

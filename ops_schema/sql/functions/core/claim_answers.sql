-- The ClaimResponse of each claim, as JSON text: the runs started for it, or those of a repeated request that are still
-- held and not reported. What many runs share (template, caps) is made once.
create or replace function ops.claim_answers(p_claims ops.member_claim[], p_starts ops.member_start[])
returns ops.member_answer[]
language plpgsql stable set search_path = ''
as $$
declare
  v_time text := ops.iso(ops.now());
begin
  return array(
    with given as materialized (
      select c.ordinal, s.n, s.executor_id, s.run_id, s.epoch
        from unnest(p_starts) with ordinality s (ordinal, executor_id, run_id, epoch, pipeline_run_id, reserved, n)
        join unnest(p_claims) c on c.same_as = s.ordinal and c.repeated is null
      union all
      select c.ordinal, r.n, c.executor_id, (r.value ->> 'run_id')::uuid, (r.value ->> 'epoch')::bigint
        from unnest(p_claims) c cross join lateral jsonb_array_elements(c.repeated) with ordinality r (value, n)
    ), held as materialized (
      select g.ordinal, g.n, l.* from given g
       cross join lateral (select h.run_id, h.epoch, h.executor_id, h.lease_seconds, h.lease_deadline from ops.leases h
                            where h.run_id = g.run_id and h.reported_at is null offset 0) l
       where l.executor_id = g.executor_id and l.epoch = g.epoch
    ), runs as materialized (
      select h.ordinal, h.n, h.lease_deadline, h.epoch as held, r.run_id, r.number, r.attempt, r.max_attempts, r.workspace,
             r.template_id, r.template_name, r.params, r.inputs, r.outputs, r.caps, r.cap_rules, h.lease_seconds, r.labels,
             r.traceparent, r.pipeline_run_id, r.task_key, r.submitted_by
        from held h cross join lateral (select * from ops.runs u where u.run_id = h.run_id offset 0) r
    ), templates as materialized (
      select t.template_id, ops.claimed_template(t) as part from ops.templates t
       where t.template_id = any (array(select distinct r.template_id from runs r))
    ), caps as materialized (
      select c.workspace, c.template_name, c.own, c.rules, ops.effective_caps(c.workspace, c.template_name, c.own) as caps,
             ops.effective_rules(c.workspace, c.template_name, c.rules) as beside
        from (select distinct r.workspace, r.template_name, r.caps as own, r.cap_rules as rules from runs r) c
    ), documents as (
      select r.ordinal, string_agg(concat(
               '{"run_id": "', r.run_id, '", "number": ', r.number, ', "epoch": ', r.held, ', "attempt": ', r.attempt,
               ', "max_attempts": ', r.max_attempts, ', "workspace": ', to_json(r.workspace), ', "params": ', r.params,
               ', "inputs": ', r.inputs, ', "outputs": ', r.outputs, ', "caps": ', c.caps,
               case when c.beside <> '{}' then concat(', "cap_rules": ', ops.told_rules(c.caps, c.beside)) end,
               ', "lease_seconds": ', r.lease_seconds, ', "lease_deadline": "', ops.iso(r.lease_deadline),
               '", "labels": ', r.labels, ', "traceparent": ', coalesce(to_json(r.traceparent)::text, 'null'),
               ', "pipeline_run_id": ', coalesce('"' || r.pipeline_run_id || '"', 'null'),
               ', "task_key": ', coalesce(to_json(r.task_key)::text, 'null'),
               ', "submitted_by": ', to_json(r.submitted_by), ', ', t.part), ', ' order by r.n) as runs
        from runs r join templates t on t.template_id = r.template_id
        join caps c on (c.workspace, c.template_name, c.own) = (r.workspace, r.template_name, r.caps)
                   and c.rules is not distinct from r.cap_rules
       group by r.ordinal
    )
    select row(c.ordinal, null, concat('{"runs": [', d.runs, '], "server_time": "', v_time, '"}'))::ops.member_answer
      from unnest(p_claims) c left join documents d on d.ordinal = c.ordinal);
end
$$;

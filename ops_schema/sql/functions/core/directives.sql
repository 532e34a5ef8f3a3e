-- What a heartbeat answers for each run sent. continue: the lease is renewed. cancel: renewed, and the executor has
-- grace_seconds to stop. drain: renewed, finish but claim no more. already_terminal: the report was accepted, nothing
-- to do. superseded: this epoch holds nothing any more, `reason` says why. caps: those in force now, for a run still
-- held; they may have been tightened since the claim; cap_rules what is said beside them. A run of which the control
-- room itself found a cap passed (ops.enforce_costs) is to stop, too. Runs that have workspace, template and caps in
-- common are one kin, whose caps are looked up once.
create or replace function ops.directives(p_executor ops.executors, p_runs jsonb) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_drains boolean := p_executor.state = 'draining';
  v_grace  numeric := ops.setting_number('cancel_grace_seconds');
begin
  return (
    with held as materialized (
      select s.n, s.run_id, s.epoch, r as run, l.lease_deadline, l.reported_at, l.run_id is not null as holds,
             case when l.run_id is not null then dense_rank() over (
               order by l.run_id is null, r.workspace, r.template_name, r.caps, r.cap_rules) end as kin
        from (select n, (m ->> 'run_id')::uuid as run_id, (m ->> 'epoch')::bigint as epoch
                from jsonb_array_elements(p_runs) with ordinality t (m, n)) s
        join ops.tokens k on k.token_id = p_executor.token_id
        left join ops.runs r on r.run_id = s.run_id and (k.workspaces is null or r.workspace = any (k.workspaces))
        left join ops.leases l on l.run_id = s.run_id and l.epoch = s.epoch
            and l.executor_id = p_executor.executor_id
    ), kins as materialized (
      select h.kin, ops.effective_caps((h.run).workspace, (h.run).template_name, (h.run).caps) as limits,
             ops.effective_rules((h.run).workspace, (h.run).template_name, (h.run).cap_rules) as beside
        from (select distinct on (kin) kin, run from held where kin is not null order by kin) h
    ), told as (
      select h.*, f.limits, f.beside, o.capped, o.action as capped_by,
             case when not h.holds and (h.run).run_id is not null then ops.lost_reason(h.run, h.epoch) end as lost,
             case when not h.holds then
                    case when ops.lost_reason(h.run, h.epoch) = 'terminal' then 'already_terminal' else 'superseded' end
                  when h.reported_at is not null then 'continue'
                  when (h.run).cancel_requested_at is not null or o.capped is not null then 'cancel'
                  when v_drains then 'drain'
                  else 'continue' end as directive
        from held h
        left join kins f on f.kin = h.kin
        left join lateral (
          select ops.caps_text(jsonb_build_array(ops.cap_entry_json(e))) as capped, e.action from ops.cap_ledger e
           where h.holds and e.run_id = h.run_id and e.epoch = h.epoch and e.layer = 'control_room'
             and e.action <> 'warned' order by e.entry_id limit 1) o on true
    )
    select coalesce(jsonb_agg(jsonb_build_object(
        'run_id', d.run_id, 'epoch', d.epoch, 'directive', d.directive, 'lease_deadline', ops.iso(d.lease_deadline),
        'reason', case d.directive when 'cancel' then coalesce((d.run).cancel_reason, d.capped)
                                   when 'superseded' then coalesce(d.lost, 'unknown run') end,
        'grace_seconds', case when d.directive = 'cancel' then coalesce(
            case when (d.run).cancel_requested_at is null then ops.order_grace(d.capped_by, d.beside) end, v_grace) end,
        'caps', d.limits)
        || case when d.beside <> '{}' then jsonb_build_object('cap_rules', ops.told_rules(d.limits, d.beside))
                else '{}' end order by d.n), '[]')
      from told d);
end
$$;

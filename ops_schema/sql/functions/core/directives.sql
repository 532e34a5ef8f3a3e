-- What a heartbeat answers for each run sent. continue: the lease is renewed. cancel: renewed, and the executor has
-- grace_seconds to stop. drain: renewed, finish but claim no more. already_terminal: the report was accepted, nothing
-- to do. superseded: this epoch holds nothing any more, `reason` says why. caps: those in force now, for a run still
-- held; they may have been tightened since the claim; cap_rules what is said beside them. A run of which the control
-- room itself found a cap passed (ops.enforce_costs) is to stop, too.
create or replace function ops.directives(p_executor ops.executors, p_runs jsonb) returns jsonb
language plpgsql stable set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
        'run_id', d.run_id, 'epoch', d.epoch, 'directive', d.directive, 'lease_deadline', ops.iso(d.lease_deadline),
        'reason', case d.directive when 'cancel' then coalesce(d.cancel_reason, d.capped)
                                   when 'superseded' then coalesce(d.lost, 'unknown run') end,
        'grace_seconds', case d.directive when 'cancel' then coalesce(case when d.cancel_reason is null then d.grace end,
                                                                      ops.setting_number('cancel_grace_seconds')) end,
        'caps', d.limits)
        || case when d.beside <> '{}' then jsonb_build_object('cap_rules', ops.told_rules(d.limits, d.beside))
                else '{}' end order by d.n), '[]')
      from (select x.*, case when x.capped is not null then ops.order_grace(x.capped_by, x.beside) end as grace from (
        select s.n, s.run_id, s.epoch, l.lease_deadline, r.cancel_reason, c.capped, c.action as capped_by, f.limits, f.beside,
               case when l.run_id is null and r.run_id is not null then ops.lost_reason(r, s.epoch) end as lost,
               case when l.run_id is null then
                      case when ops.lost_reason(r, s.epoch) = 'terminal' then 'already_terminal' else 'superseded' end
                    when l.reported_at is not null then 'continue'
                    when r.cancel_requested_at is not null or c.capped is not null then 'cancel'
                    when p_executor.state = 'draining' then 'drain'
                    else 'continue' end as directive
          from (select n, (m ->> 'run_id')::uuid as run_id, (m ->> 'epoch')::bigint as epoch
                  from jsonb_array_elements(p_runs) with ordinality t (m, n)) s
          join ops.tokens k on k.token_id = p_executor.token_id
          left join ops.runs r on r.run_id = s.run_id and (k.workspaces is null or r.workspace = any (k.workspaces))
          left join ops.leases l on l.run_id = s.run_id and l.epoch = s.epoch
              and l.executor_id = p_executor.executor_id
          left join lateral (
            select ops.caps_text(jsonb_build_array(ops.cap_entry_json(e))) as capped, e.action from ops.cap_ledger e
             where e.run_id = l.run_id and e.epoch = l.epoch and e.layer = 'control_room' and e.action <> 'warned'
             order by e.entry_id limit 1) c on true
          left join lateral (
            select ops.effective_caps(r.workspace, r.template_name, r.caps) as limits,
                   ops.effective_rules(r.workspace, r.template_name, r.cap_rules) as beside
             where l.run_id is not null) f on true) x) d);
end
$$;

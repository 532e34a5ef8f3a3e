-- The reasons of a run that only executors could take that are paused, drain, or say that they are in trouble: one for
-- each.
create or replace function ops.why_executors_held(p_executors ops.executors[]) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_agg(case e.state
           when 'active' then ops.reason('executor_in_trouble',
             format('executor %s (%s) takes no run: %s', e.number, e.name, e.trouble),
             jsonb_build_object('executor_id', e.executor_id, 'number', e.number, 'name', e.name,
                                'trouble', e.trouble))
           else ops.reason(
             case e.state when 'paused' then 'executor_paused' else 'executor_draining' end,
             ops.paused_text(format('executor %s (%s) %s', e.number, e.name,
                               case when e.state = 'paused' then 'was paused' when e.state_by is null then 'drains'
                                    else 'drains, told so' end),
                             e.state_by, ops.iso(e.state_at), e.state_reason),
             jsonb_build_object('executor_id', e.executor_id, 'number', e.number, 'name', e.name, 'state', e.state,
                                'by', 'operator:' || e.state_by, 'at', ops.iso(e.state_at), 'reason', e.state_reason))
           end order by e.number)
    from unnest(p_executors) e
$$;

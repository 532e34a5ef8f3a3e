-- The reasons of a skipped run: one, `skipped`, for each parent that kept its condition from holding.
create or replace function ops.why_skipped(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(ops.reason('skipped',
             format('skipped at %s: run %s (%s) ended as %s, and its condition is %s', ops.iso((p_run).finished_at),
                    p.number, coalesce(p.task_key, p.template_name), p.state, (p_run).condition),
             jsonb_build_object('run_id', p.run_id, 'number', p.number, 'task_key', p.task_key, 'state', p.state,
                                'condition', (p_run).condition, 'finished_at', ops.iso((p_run).finished_at)))
           order by p.number), '[]')
    from ops.run_dependencies d join ops.runs p on p.run_id = d.depends_on
   where d.run_id = (p_run).run_id and ops.is_terminal(p.state)
     and case (p_run).condition when 'all_success' then p.state <> 'succeeded'
                                when 'none_failed' then p.state in ('failed', 'cancelled')
                                when 'all_failed' then p.state not in ('failed', 'cancelled')
                                else true end
$$;

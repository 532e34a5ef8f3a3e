-- The outputs that a run's last attempt could not publish: [{output, uri, error}].
create or replace function ops.failed_outputs(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('output', p.output, 'uri', p.uri, 'error', p.error - 'trace')
                            order by p.output), '[]')
    from ops.publications p
   where p.run_id = (p_run).run_id and p.epoch = (p_run).epoch and p.state = 'failed'
$$;

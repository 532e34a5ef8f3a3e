-- ops.condition_verdict of one run, from its parents as they stand now.
create or replace function ops.run_verdict(p_run_id uuid, p_condition text) returns text
language sql stable
return (
  select ops.condition_verdict(p_condition, count(*),
           count(*) filter (where p.state in ('succeeded', 'failed', 'cancelled', 'skipped')),
           count(*) filter (where p.state = 'succeeded'),
           count(*) filter (where p.state in ('failed', 'cancelled')))
    from ops.run_dependencies d join ops.runs p on p.run_id = d.depends_on
   where d.run_id = p_run_id);

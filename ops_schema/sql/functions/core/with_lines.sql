-- The starts with what each would reserve; null where no budget applies.
create or replace function ops.with_lines(p_starts ops.member_start[]) returns ops.member_start[]
language sql stable set search_path = ''
as $$
  with picked as materialized (
    select s.*, r.workspace, r.template_name, r.template_id, r.caps, r.pipeline_run_id as pipeline
      from unnest(p_starts) with ordinality s (ordinal, executor_id, run_id, epoch, pipeline_run_id, reserved, n)
     cross join lateral (select u.* from ops.runs u where u.run_id = s.run_id offset 0) r
  ), alike as materialized (
    select k.*, ops.budget_lines(k.workspace, k.template_name, t.spec -> 'estimate', k.caps) as lines
      from (select distinct p.workspace, p.template_name, p.template_id, p.caps from picked p) k
      join ops.templates t on t.template_id = k.template_id
  )
  select array_agg(row(p.ordinal, p.executor_id, p.run_id, p.epoch, p.pipeline, a.lines)::ops.member_start order by p.n)
    from picked p join alike a on (a.workspace, a.template_id, a.caps) = (p.workspace, p.template_id, p.caps)
$$;

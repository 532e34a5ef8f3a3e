-- For the reactor: runs that have ended and have no manifest yet, {run_ids, now}, the first to end first. A pipeline
-- waits for the manifests of its tasks. p_skip [run_id]: those that the caller knows and does not want.
create or replace function ops.without_manifest(p_limit int, p_skip jsonb default '[]') returns jsonb
language sql stable security definer set search_path = '' set enable_seqscan = off set enable_sort = off set jit = off
as $$
  select jsonb_build_object('run_ids', coalesce(jsonb_agg(d.run_id order by d.finished_at, d.run_id), '[]'),
                            'now', ops.iso(ops.now())) from (
    select r.run_id, r.finished_at from ops.runs r
     where r.finished_at is not null and r.manifest_root is null
       and r.run_id not in (select s.value::uuid from jsonb_array_elements_text(p_skip) s)
       and not (r.kind = 'pipeline' and exists (
             select from ops.runs c where c.pipeline_run_id = r.run_id and c.manifest_root is null))
     order by r.finished_at, r.run_id limit p_limit) d
$$;

-- What earlier attempts at the same work left, for a run that is held: files that an accepted report made visible.
--   p_body {epoch, of: attempts | success, names: [..]}
-- attempts: of this run, of the run it retries (a task: the task of that key in the pipeline run that its own retries),
-- and so on. success: of the last run of this template's name that succeeded in the workspace, among the newest 100,000
-- runs; further back nobody compares, and without an index that every run would pay for it would be a long search.
-- Returns {attempts: [{run_id, number, epoch, attempt, outcome, template_version, template_digest, artifacts}]}, newest
-- first, at most 10. Raises OPU01, OPU02, OPN01, OPC01.
create or replace function ops.find_earlier(p_token_id uuid, p_run_id uuid, p_body jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_names text[] := array(select jsonb_array_elements_text(p_body -> 'names'));
  v_runs  uuid[];
begin
  perform ops.check_unreported(p_token_id, p_run_id, ops.body_epoch(p_body));
  v_runs := case p_body ->> 'of' when 'success' then ops.last_success(p_run_id) else ops.retried_runs(p_run_id) end;
  return jsonb_build_object('attempts', coalesce((
    select jsonb_agg(to_jsonb(e) - 'place' order by e.place, e.epoch desc)
      from (
        select r.run_id, r.number, a.epoch, a.attempt, a.outcome, r.template_version, t.digest as template_digest,
               f.artifacts, array_position(v_runs, r.run_id) as place
          from ops.runs r
          join ops.attempts a on a.run_id = r.run_id and a.outcome <> 'running'
          join ops.templates t on t.template_id = r.template_id
          cross join lateral (
            select jsonb_agg(ops.artifact_json(x) order by x.name) as artifacts from ops.artifacts x
             where x.run_id = a.run_id and x.epoch = a.epoch and x.name = any (v_names) and x.state = 'visible') f
         where r.run_id = any (v_runs) and f.artifacts is not null
         order by place, a.epoch desc
         limit 10) e), '[]'));
end
$$;

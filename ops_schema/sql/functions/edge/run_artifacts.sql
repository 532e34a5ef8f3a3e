-- The artifacts of a run, or of a pipeline's children, oldest first; of one that reused what another left, that one's.
create or replace function ops.run_artifacts(p_token_id uuid, p_ref text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run    ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = ops.resolve_run(v_caller.token_id, p_ref);
  return jsonb_build_object('items', coalesce((
    select jsonb_agg(ops.artifact_json(a) order by a.begun_at, a.name)
      from ops.artifacts a where a.run_id in (select ops.run_workers(v_run))), '[]'));
end
$$;

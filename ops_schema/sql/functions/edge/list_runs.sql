-- Runs, newest first. p_filters: state [..], reason, kind, template, pipeline (ref), workspace, q, top_level, limit,
-- cursor.
-- Pages follow the run's number, so that new runs never shift a page.
create or replace function ops.list_runs(p_token_id uuid, p_filters jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller   ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_states   text[] := ops.text_array(p_filters -> 'state', 'state');
  v_limit    int    := ops.page_limit(p_filters, 50, 500);
  v_before   bigint := ops.page_cursor(p_filters ->> 'cursor');
  v_pipeline uuid   := case when p_filters ->> 'pipeline' is not null
                            then ops.resolve_run(p_token_id, p_filters ->> 'pipeline') end;
  v_q        text   := nullif(btrim(p_filters ->> 'q'), '');
  v_page     ops.runs[];
begin
  perform ops.check_states(v_states);
  v_page := array(
    select r from ops.runs r
     where (v_before is null or r.number < v_before)
       and (v_caller.workspaces is null or r.workspace = any (v_caller.workspaces))
       and (p_filters ->> 'workspace' is null or r.workspace = p_filters ->> 'workspace')
       and (coalesce(cardinality(v_states), 0) = 0 or r.state = any (v_states))
       and (p_filters ->> 'reason' is null or r.state_reason = p_filters ->> 'reason')
       and (p_filters ->> 'kind' is null or r.kind = p_filters ->> 'kind')
       and (p_filters ->> 'template' is null or r.template_name = p_filters ->> 'template')
       and (v_pipeline is null or r.pipeline_run_id = v_pipeline)
       and (not coalesce((p_filters ->> 'top_level')::boolean, false) or r.pipeline_run_id is null)
       and (v_q is null or ops.run_matches(r, v_q))
     order by r.number desc limit v_limit + 1);
  return jsonb_build_object(
    'items', (select coalesce(jsonb_agg(ops.run_json(r) order by r.number desc), '[]')
                from unnest(v_page[1:v_limit]) r),
    'next_cursor', case when cardinality(v_page) > v_limit then (v_page[v_limit]).number::text end);
end
$$;

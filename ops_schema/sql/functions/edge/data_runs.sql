-- Who made and who read data, of workspaces open to the caller, the newest run first: {items: [{run_id, number,
-- template_name, state, finished_at, side, version}], next_cursor}. p_filters: namespace and name as lineage has them,
-- limit and cursor count runs. A run that read one version and made another has an item for each. Raises OPU01, OPU02,
-- OPV01.
create or replace function ops.data_runs(p_token_id uuid, p_filters jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_limit  int        := ops.page_limit(p_filters, 100, 500);
  v_before bigint     := ops.page_cursor(p_filters ->> 'cursor');
  v_runs   bigint[];
begin
  v_runs := array(
    select distinct r.number
      from ops.lineage_edges e join ops.runs r on r.run_id = e.run_id
     where e.namespace = p_filters ->> 'namespace' and e.name = p_filters ->> 'name'
       and (v_before is null or r.number < v_before) and ops.may_enter(v_caller, r.workspace)
     order by r.number desc limit v_limit + 1);
  return jsonb_build_object(
    'items', (select coalesce(jsonb_agg(jsonb_build_object(
                       'run_id', r.run_id, 'number', r.number, 'template_name', r.template_name, 'state', r.state,
                       'finished_at', ops.iso(r.finished_at), 'side', e.side, 'version', nullif(e.version, ''))
                       order by r.number desc, e.side desc, e.version desc), '[]')
                from ops.runs r join ops.lineage_edges e on e.run_id = r.run_id
               where r.number = any (v_runs[1:v_limit])
                 and e.namespace = p_filters ->> 'namespace' and e.name = p_filters ->> 'name'),
    'next_cursor', case when cardinality(v_runs) > v_limit then v_runs[v_limit]::text end);
end
$$;

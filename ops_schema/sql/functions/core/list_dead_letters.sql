-- Dead letters (see the view), newest first. p_filters: workspace, template, kind, queue, error_class, state_reason,
-- finished_after, finished_before, limit, cursor.
-- Returns {items: [DeadLetter], next_cursor}. Raises OPU01, OPU02, OPV01.
create or replace function ops.list_dead_letters(p_token_id uuid, p_filters jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_limit  int        := ops.page_limit(p_filters, 50, 500);
  v_before bigint     := ops.page_cursor(p_filters ->> 'cursor');
  v_page   ops.dead_letters[];
begin
  v_page := array(
    select d from ops.dead_letters d
     where (v_before is null or d.number < v_before)
       and (v_caller.workspaces is null or d.workspace = any (v_caller.workspaces))
       and d.workspace = coalesce(p_filters ->> 'workspace', d.workspace)
       and d.template_name = coalesce(p_filters ->> 'template', d.template_name)
       and d.kind = coalesce(p_filters ->> 'kind', d.kind) and d.queue = coalesce(p_filters ->> 'queue', d.queue)
       and (p_filters ->> 'error_class' is null or d.error_class = p_filters ->> 'error_class')
       and (p_filters ->> 'state_reason' is null or d.state_reason = p_filters ->> 'state_reason')
       and (p_filters ->> 'finished_after' is null or d.finished_at >= (p_filters ->> 'finished_after')::timestamptz)
       and (p_filters ->> 'finished_before' is null or d.finished_at < (p_filters ->> 'finished_before')::timestamptz)
     order by d.number desc limit v_limit + 1);
  return jsonb_build_object(
    'items', (select coalesce(jsonb_agg(to_jsonb(d) || jsonb_build_object('submitted_at', ops.iso(d.submitted_at),
                'started_at', ops.iso(d.started_at), 'finished_at', ops.iso(d.finished_at)) order by d.number desc), '[]')
                from unnest(v_page[1:v_limit]) d),
    'next_cursor', case when cardinality(v_page) > v_limit then (v_page[v_limit]).number::text end);
end
$$;

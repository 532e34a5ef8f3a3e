-- The legal hold of a run, of itself or of its pipeline: {reason, placed_at, placed_by}; null when there is none.
create or replace function ops.hold_json(p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('reason', h.reason, 'placed_at', ops.iso(h.placed_at), 'placed_by', h.placed_by)
    from ops.legal_holds h
   where h.released_at is null and h.run_id in ((p_run).run_id, (p_run).pipeline_run_id)
   order by h.hold_id limit 1
$$;

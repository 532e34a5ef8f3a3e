-- A run's events after a sequence number exactly as they are stored, for who recomputes the chain: {items: [{seq, at,
-- type, epoch, canonical, prev_hash, hash}], head: {seq, hash}, cut}. cut: {seq, hash, dropped_at} where the month of
-- the run was dropped: its events up to seq are gone. Raises OPU01, OPU02, OPN01, OPV01.
create or replace function ops.run_chain(p_token_id uuid, p_ref text, p_filters jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run    ops.runs;
  v_after  bigint := coalesce((p_filters ->> 'after_seq')::bigint, 0);
  v_limit  int    := ops.page_limit(p_filters, 500, 5000);
begin
  select * into v_run from ops.runs r where r.run_id = ops.resolve_run(v_caller.token_id, p_ref);
  return jsonb_build_object(
    'run_id', v_run.run_id,
    'head', jsonb_build_object('seq', v_run.event_seq, 'hash', encode(v_run.event_head, 'hex')),
    'cut', (select jsonb_build_object('seq', coalesce(h.seq, v_run.event_seq), 'dropped_at', ops.iso(d.dropped_at),
                                      'hash', encode(coalesce(h.hash, v_run.event_head), 'hex'))
              from ops.dropped_partitions d left join ops.dropped_heads h on h.run_id = v_run.run_id
             where d.parent = 'events' and d.from_run_id <= v_run.run_id and v_run.run_id < d.to_run_id),
    'items', (select coalesce(jsonb_agg(jsonb_build_object(
                       'seq', e.seq, 'at', ops.iso(e.at), 'type', e.type, 'epoch', e.epoch, 'canonical', e.canonical,
                       'prev_hash', encode(e.prev_hash, 'hex'), 'hash', encode(e.hash, 'hex')) order by e.seq), '[]')
                from (select * from ops.events v where v.run_id = v_run.run_id and v.seq > v_after
                       order by v.seq limit v_limit) e));
end
$$;

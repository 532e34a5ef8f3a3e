-- Events of all runs beyond a cursor 'xid.run_id.seq', for streams and webhooks. Only transactions older than every
-- open one are read: an event that commits late has its turn later and is never skipped. The events of one run come in
-- their order, see ops.events. Null starts at the present.
-- `state` is the one told by the event, workspace lets a server filter. Asked often: at the end of the events it is one
-- probe of events_xid per partition. The object is built in place, since a function per event costs more than the rest.
create or replace function ops.events_since(p_cursor text, p_limit int) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_end   xid8 := pg_snapshot_xmin(pg_current_snapshot());
  v_start text := coalesce(p_cursor, format('%s.%s.0', v_end, '00000000-0000-0000-0000-000000000000'));
  v_items jsonb;
begin
  if v_start !~ '^[0-9]{1,20}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[0-9]{1,18}$' then
    perform ops.invalid('/cursor', 'must be the cursor of a former event', 'Start again without it.');
  end if;
  with page as materialized (
    select x.xid, x.run_id, x.seq, x.type, x.epoch, x.at, x.canonical from ops.events x
     where (x.xid, x.run_id, x.seq) > (split_part(v_start, '.', 1)::xid8, split_part(v_start, '.', 2)::uuid,
                                       split_part(v_start, '.', 3)::bigint)
       and x.xid < v_end
     order by x.xid, x.run_id, x.seq limit p_limit
  )
  select jsonb_agg(jsonb_build_object(
           'cursor', e.xid || '.' || e.run_id || '.' || e.seq,
           'run_id', e.run_id,
           'number', r.number,
           'pipeline_run_id', r.pipeline_run_id,
           'workspace', r.workspace,
           'type', e.type,
           'state', coalesce(e.canonical::jsonb #>> '{data,state}', r.state),
           'at', ops.iso(e.at),
           'seq', e.seq,
           'epoch', e.epoch) order by e.xid, e.run_id, e.seq) into v_items
    from page e
    -- the limit keeps it a probe per event: never a hash of all runs for one page
   cross join lateral (select o.number, o.pipeline_run_id, o.workspace, o.state from ops.runs o
                        where o.run_id = e.run_id limit 1) r;
  return jsonb_build_object('items', coalesce(v_items, '[]'), 'cursor', coalesce(v_items #>> '{-1,cursor}', v_start));
end
$$;

-- An event as the event stream carries it; `state` is the one told by the event, workspace lets a server filter.
create or replace function ops.stream_event_json(p_event ops.events, p_run ops.runs) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'cursor', format('%s.%s.%s', (p_event).xid, (p_event).run_id, (p_event).seq),
    'run_id', (p_event).run_id,
    'number', (p_run).number,
    'pipeline_run_id', (p_run).pipeline_run_id,
    'workspace', (p_run).workspace,
    'type', (p_event).type,
    'state', coalesce((p_event).canonical::jsonb #>> '{data,state}', (p_run).state),
    'at', ops.iso((p_event).at),
    'seq', (p_event).seq,
    'epoch', (p_event).epoch)
$$;

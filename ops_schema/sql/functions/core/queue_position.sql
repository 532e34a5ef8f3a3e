-- Where a queued run stands: 1 is next of its queue and kind.
create or replace function ops.queue_position(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_ahead bigint;
begin
  select count(*) into v_ahead from ops.runs r
   where r.state = 'queued' and not r.paused and r.queue = p_run.queue and r.kind = p_run.kind
     and (r.priority > p_run.priority or (r.priority = p_run.priority and r.ready_seq < p_run.ready_seq));
  return ops.reason('position_in_queue', format('number %s in queue %s for kind %s',
                           v_ahead + 1, p_run.queue, p_run.kind),
                    jsonb_build_object('position', v_ahead + 1, 'queue', p_run.queue, 'kind', p_run.kind));
end
$$;

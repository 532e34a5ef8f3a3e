-- Where a queued run stands: 1 is next of its kind, whatever the queue, but for paused ones. Counts the runs that the
-- caller may see (p_workspaces, null: all), and says so when there may be others.
create or replace function ops.queue_position(p_run ops.runs, p_workspaces text[]) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_ahead bigint;
begin
  select count(*) into v_ahead from ops.runs r
   where r.state = 'queued' and not r.paused and r.kind = p_run.kind
     and (r.queue = p_run.queue or not exists (select from ops.queue_pauses u where u.queue = r.queue))
     and (r.priority > p_run.priority or (r.priority = p_run.priority and r.ready_seq < p_run.ready_seq))
     and (p_workspaces is null or r.workspace = any (p_workspaces));
  return ops.reason('position_in_queue', format('number %s in line for kind %s, in queue %s%s', v_ahead + 1, p_run.kind,
                           p_run.queue, case when p_workspaces is null then '' else ', of the runs that you may see' end),
                    jsonb_build_object('position', v_ahead + 1, 'queue', p_run.queue, 'kind', p_run.kind));
end
$$;

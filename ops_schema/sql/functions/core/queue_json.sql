-- A queue: whether it is paused, by whom, when and why, and how many of the runs that the caller may see are in it.
create or replace function ops.queue_json(p_queue text, p_workspaces text[]) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'queue', p_queue, 'paused', u.queue is not null, 'paused_at', ops.iso(u.paused_at), 'paused_by', u.paused_by,
    'paused_reason', u.paused_reason,
    'used', exists (select from ops.queue_floors f where f.queue = p_queue),
    'queued', (select count(*) from ops.runs r where r.state = 'queued' and not r.paused and r.queue = p_queue
                  and (p_workspaces is null or r.workspace = any (p_workspaces))),
    'running', (select count(*) from ops.leases l join ops.runs r on r.run_id = l.run_id where r.queue = p_queue
                   and (p_workspaces is null or r.workspace = any (p_workspaces))))
    from (select) one left join ops.queue_pauses u on u.queue = p_queue
$$;

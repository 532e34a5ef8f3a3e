-- Whether a queue is paused: [] or one reason that says by whom, when and why.
create or replace function ops.why_queue_paused(p_queue text) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(ops.reason('queue_paused',
           ops.paused_text(format('queue %s was paused', u.queue), u.paused_by, ops.iso(u.paused_at), u.paused_reason),
           jsonb_build_object('queue', u.queue, 'by', 'operator:' || u.paused_by, 'at', ops.iso(u.paused_at),
                              'reason', u.paused_reason))), '[]')
    from ops.queue_pauses u where u.queue = p_queue
$$;

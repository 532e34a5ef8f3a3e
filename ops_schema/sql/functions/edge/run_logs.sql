-- A run's log chunks beyond a cursor, in the order of their times. p_filters: stream, after, limit (chunks), epoch.
create or replace function ops.run_logs(p_token_id uuid, p_ref text, p_filters jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run_id uuid := ops.resolve_run(v_caller.token_id, p_ref);
  v_limit  int  := ops.page_limit(p_filters, 500, 5000);
  v_answer jsonb;
begin
  perform from ops.log_cursor(p_filters ->> 'after');
  with streams as (
    select a.epoch, p.stream, coalesce(c.seq, -1) as seen
      from ops.attempts a
     cross join lateral ops.log_positions(a.run_id, a.epoch) p
      left join ops.log_cursor(p_filters ->> 'after') c on c.epoch = a.epoch and c.stream = p.stream
     where a.run_id = v_run_id
       and (p_filters ->> 'epoch' is null or a.epoch = (p_filters ->> 'epoch')::bigint)
       and (p_filters ->> 'stream' is null or p.stream = p_filters ->> 'stream')
  ), fresh as (
    -- The running maximum keeps a stream's own order when its clock steps back, so a page never skips a chunk.
    select s.epoch, s.stream, l.seq, l."offset", l.at, l.text,
           max(l.at) over (partition by s.epoch, s.stream order by l.seq) as sorted_at
      from streams s
     cross join lateral (
       select * from ops.run_logs g
        where g.run_id = v_run_id and g.epoch = s.epoch and g.stream = s.stream and g.seq > s.seen
        order by g.seq limit v_limit) l
  ), page as (
    select * from fresh f order by f.epoch, f.sorted_at, f.stream, f.seq limit v_limit
  ), positions as (
    select s.epoch, s.stream, greatest(s.seen, max(p.seq)) as seq
      from streams s left join page p on p.epoch = s.epoch and p.stream = s.stream
     group by s.epoch, s.stream, s.seen
  )
  select jsonb_build_object(
    'items', (select coalesce(jsonb_agg(jsonb_build_object('epoch', p.epoch, 'stream', p.stream, 'seq', p.seq,
                'offset', p."offset", 'at', ops.iso(p.at), 'text', p.text)
                order by p.epoch, p.sorted_at, p.stream, p.seq), '[]') from page p),
    'next', (select coalesce(string_agg(format('%s:%s:%s', n.epoch, n.stream, n.seq), ','
                order by n.epoch, n.stream), '')
               from positions n where n.seq >= 0))
    into v_answer;
  return v_answer;
end
$$;

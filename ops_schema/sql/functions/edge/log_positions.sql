-- Where each stream of an attempt's log stands: (stream, next_seq, next_offset). Walks the primary key from stream to
-- stream, so it costs as many index probes as there are streams, however long the log is.
create or replace function ops.log_positions(p_run_id uuid, p_epoch bigint)
returns table (stream text, next_seq bigint, next_offset bigint)
language sql stable set search_path = ''
as $$
  with recursive streams (stream) as (
    select min(l.stream) from ops.run_logs l where l.run_id = p_run_id and l.epoch = p_epoch
    union all
    select (select min(l.stream) from ops.run_logs l
             where l.run_id = p_run_id and l.epoch = p_epoch and l.stream > s.stream)
      from streams s where s.stream is not null
  )
  select s.stream, last.seq + 1, last."offset" + octet_length(last.text)
    from streams s
   cross join lateral (
     select l.seq, l."offset", l.text from ops.run_logs l
      where l.run_id = p_run_id and l.epoch = p_epoch and l.stream = s.stream
      order by l.seq desc limit 1) last
   where s.stream is not null
$$;

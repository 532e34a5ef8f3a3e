-- Guard: a chunk sent again is the same chunk: the text and the offset that are stored under its (stream, seq), or
-- that came under it before in the same call. What is on record stands. Raises OPC10 with {stream, seq} of the first.
create or replace function ops.check_log_repeats(p_run_id uuid, p_epoch bigint, p_chunks jsonb) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_bad record;
begin
  with sent as (
    select c.ordinality as place, c.value ->> 'stream' as stream, (c.value ->> 'seq')::bigint as seq,
           (c.value ->> 'offset')::bigint as start, c.value ->> 'text' as text
      from jsonb_array_elements(p_chunks) with ordinality c
  ), again as (
    select s.*, first_value(s.start) over same as first_start, first_value(s.text) over same as first_text
      from sent s window same as (partition by s.stream, s.seq order by s.place)
  )
  select a.stream, a.seq into v_bad
    from again a
    -- the limit keeps it one probe of the key per chunk, also while the table has no statistics yet
    left join lateral (
      select l."offset", l.text from ops.run_logs l
       where l.run_id = p_run_id and l.epoch = p_epoch and l.stream = a.stream and l.seq = a.seq limit 1) l on true
   where (a.start, a.text) is distinct from (coalesce(l."offset", a.first_start), coalesce(l.text, a.first_text))
   order by a.place limit 1;
  if v_bad.seq is not null then
    perform ops.fail('OPC10',
      format('chunk %s of stream %s is on record with another text or offset', v_bad.seq, v_bad.stream),
      jsonb_build_object('run_id', p_run_id, 'stream', v_bad.stream, 'seq', v_bad.seq),
      'What is on record stands. Nothing of this request was stored: send it again without that chunk.');
  end if;
end
$$;

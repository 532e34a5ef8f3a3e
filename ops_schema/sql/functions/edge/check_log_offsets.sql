-- Guard: no new chunk begins inside what its stream holds already, stored or sent before it in the same call. Offsets
-- are how the cap log_bytes counts, so they cannot stand still. A gap is allowed. Raises OPV01.
create or replace function ops.check_log_offsets(p_run_id uuid, p_epoch bigint, p_chunks jsonb) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_bad bigint;
begin
  with sent as (
    select c.ordinality - 1 as position, c.value ->> 'stream' as stream, (c.value ->> 'seq')::bigint as seq,
           (c.value ->> 'offset')::bigint as start, octet_length(c.value ->> 'text') as bytes
      from jsonb_array_elements(p_chunks) with ordinality c
  ), placed as (
    select s.*, p.next_seq, p.next_offset,
           lag(s.start + s.bytes) over (partition by s.stream order by s.seq) as previous_end
      from sent s
      left join ops.log_positions(p_run_id, p_epoch) p on p.stream = s.stream
  )
  select min(position) into v_bad
    from placed
   where (seq >= next_seq and start < next_offset)
      or (seq >= coalesce(next_seq, 0) and start < previous_end);
  if v_bad is not null then
    perform ops.invalid('/chunks/' || v_bad || '/offset', 'the chunk begins inside an earlier one of its stream',
      'Offsets are the bytes of the stream that came before.');
  end if;
end
$$;

-- appendLogs: guard, lock, store. A chunk that is stored already is accepted again in silence, one that is stored with
-- other text refuses the whole call (OPC10); a gap is stored as one.
-- The cap log_bytes counts what the streams have produced. Chunks are stored in the order sent up to the first that
-- does not fit; `accepted` says how many that are. When not even the first new chunk fits, the call is refused (OPX01).
create or replace function ops.append_logs(p_token_id uuid, p_run_id uuid, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_epoch    bigint := ops.body_epoch(p_body);
  v_limit    bigint;
  v_used     bigint;
  v_accepted int;
  v_observed bigint;
begin
  perform ops.check_chunks(p_body -> 'chunks');
  perform ops.hold_lease(p_token_id, p_run_id, v_epoch);
  perform ops.check_log_repeats(p_run_id, v_epoch, p_body -> 'chunks');
  perform ops.check_log_offsets(p_run_id, v_epoch, p_body -> 'chunks');
  v_limit := ops.cap_in_force(p_run_id, 'log_bytes');
  select coalesce(sum(p.next_offset), 0) into v_used from ops.log_positions(p_run_id, v_epoch) p;

  with sent as (
    select c.ordinality, c.value ->> 'stream' as stream, (c.value ->> 'seq')::bigint as seq,
           (c.value ->> 'offset')::bigint as start, (c.value ->> 'at')::timestamptz as at, c.value ->> 'text' as text
      from jsonb_array_elements(p_body -> 'chunks') with ordinality c
  ), sized as (
    select s.*, v_used + sum(case when l.run_id is null then octet_length(s.text) else 0 end)
                           over (order by s.ordinality) as total, l.run_id is null as is_new
      from sent s
      -- the limit keeps it one probe of the key per chunk, also while the table has no statistics yet
      left join lateral (
        select l.run_id from ops.run_logs l
         where l.run_id = p_run_id and l.epoch = v_epoch and l.stream = s.stream and l.seq = s.seq limit 1) l on true
  ), stored as (
    insert into ops.run_logs (run_id, epoch, stream, seq, "offset", at, text, received_at)
    select p_run_id, v_epoch, z.stream, z.seq, z.start, z.at, z.text, ops.now()
      from sized z where z.is_new and (v_limit is null or z.total <= v_limit)
    on conflict do nothing
  )
  select count(*) filter (where not z.is_new or v_limit is null or z.total <= v_limit),
         min(z.total) filter (where z.is_new and z.total > v_limit)
    into v_accepted, v_observed
    from sized z;

  if v_accepted = 0 and v_observed is not null then
    perform ops.fail('OPX01',
      format('the log of run %s would reach %s bytes, its cap is %s', p_run_id, v_observed, v_limit),
      jsonb_build_object('cap', 'log_bytes', 'limit', v_limit, 'observed', v_observed),
      'Stop sending logs; report the cap.');
  end if;
  return jsonb_build_object(
    'accepted', v_accepted,
    'next', (select coalesce(jsonb_object_agg(
                      p.stream, jsonb_build_object('seq', p.next_seq, 'offset', p.next_offset)), '{}')
               from ops.log_positions(p_run_id, v_epoch) p),
    'log_bytes', (select coalesce(sum(p.next_offset), 0) from ops.log_positions(p_run_id, v_epoch) p));
end
$$;

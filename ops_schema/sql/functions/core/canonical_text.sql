-- ops.canonical_event put together from parts, which is several times cheaper, for verbs that write many events of one
-- form. p_at: as ops.iso gives it; p_data: JSON text as jsonb prints it. ops.verify_events holds the two to be alike.
create or replace function ops.canonical_text(
  p_run_id uuid, p_seq bigint, p_at text, p_type text, p_epoch bigint, p_actor text, p_data text)
returns text
language sql stable parallel safe
return concat('{"at": "', p_at, '", "seq": ', p_seq, ', "data": ', p_data, ', "type": "', p_type, '", "actor": ',
              to_json(p_actor), ', "epoch": ', p_epoch, ', "run_id": "', p_run_id, '"}');

-- The canonical text of an event: one JSON object, as jsonb prints it.
create or replace function ops.canonical_event(
  p_run_id uuid, p_seq bigint, p_at timestamptz, p_type text, p_epoch bigint, p_actor text, p_data jsonb)
returns text
language sql stable parallel safe
return jsonb_build_object('run_id', p_run_id, 'seq', p_seq,
                          'at', to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                          'type', p_type, 'epoch', p_epoch, 'actor', p_actor, 'data', p_data)::text;

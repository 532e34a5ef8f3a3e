-- Those of the store's open uploads [{store_id, begun_at}] that are on no record and older than the safety window: a
-- server died between opening one and writing it down.
create or replace function ops.unknown_uploads(p_uploads jsonb) returns text[]
language sql stable security definer set search_path = ''
as $$
  select coalesce(array_agg(x.store_id), '{}') from jsonb_to_recordset(p_uploads) x (store_id text, begun_at timestamptz)
   where x.begun_at <= ops.now() - ops.seconds(3600 * ops.setting_number('orphan_safety_hours'))
     and not exists (select from ops.uploads u where u.store_id = x.store_id)
$$;

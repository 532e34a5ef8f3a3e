-- Uploads in parts that nobody has gone on with for the setting orphan_safety_hours and that no attempt is at, at most
-- p_limit, the oldest first: [{upload_id, object_key, store_id, run_number, used_at}]. The collector has the store give
-- them up.
create or replace function ops.stale_uploads(p_limit int) returns jsonb
language sql stable security definer set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('upload_id', x.upload_id, 'object_key', x.object_key,
           'store_id', x.store_id, 'run_number', x.number, 'used_at', ops.iso(x.used_at)) order by x.used_at), '[]')
    from (select u.*, r.number from ops.uploads u join ops.runs r on r.run_id = u.run_id
           where u.used_at <= ops.now() - ops.seconds(3600 * ops.setting_number('orphan_safety_hours'))
             and not exists (select from ops.artifacts a
                              where a.run_id = u.run_id and a.object_key = u.object_key and a.state = 'begun')
           order by u.used_at limit p_limit) x
$$;

-- What the collector would take, and nothing is changed: {safety_hours, lost: {artifacts, bytes} that wait for their
-- safety window, collectable: {objects, bytes}, uploads: {open, collectable} in parts, expiring: {artifacts, bytes} by
-- retention in the next seven days, held, items: the first 200 objects to be taken [{object_key, size, run_number,
-- name, state, since}]}. Raises OPU01, OPU02.
create or replace function ops.list_collection(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_before timestamptz := ops.now() - ops.seconds(3600 * ops.setting_number('orphan_safety_hours'));
begin
  perform ops.require_everywhere(p_token_id, '{operator,viewer}');
  return (
    with lost as (
      select a.*, coalesce(a.expired_at, a.orphaned_at) as since from ops.artifacts a
       where a.state in ('orphaned', 'expired') and a.settled_at is null and a.object_key is not null
         and not ops.object_is_needed(a.object_key)
    ), due as (
      select distinct on (l.object_key) l.object_key, l.size, l.run_id, l.name, l.state, l.since from lost l
       where l.since <= v_before order by l.object_key, l.since
    ), condemned as (
      select c.object_key, c.size from ops.condemned_objects c where c.state in ('condemned', 'deleting')
    )
    select jsonb_build_object(
      'safety_hours', ops.setting('orphan_safety_hours'),
      'lost', (select jsonb_build_object('artifacts', count(*), 'bytes', coalesce(sum(l.size), 0)) from lost l
                where l.since > v_before),
      'collectable', (select jsonb_build_object('objects', count(*), 'bytes', coalesce(sum(x.size), 0))
                        from (select d.object_key, d.size from due d union select * from condemned) x),
      'uploads', jsonb_build_object('open', (select count(*) from ops.uploads),
                   'collectable', jsonb_array_length(ops.stale_uploads(1000000))),
      'expiring', (select jsonb_build_object('artifacts', count(*), 'bytes', coalesce(sum(a.size), 0))
                     from ops.artifacts a where a.state = 'visible' and a.expires_at <= ops.now() + interval '7 days'),
      'held', (select count(*) from ops.legal_holds h where h.released_at is null),
      'items', (select coalesce(jsonb_agg(jsonb_build_object('object_key', d.object_key, 'size', d.size,
                         'run_number', r.number, 'name', d.name, 'state', d.state, 'since', ops.iso(d.since))
                         order by d.since, d.object_key), '[]')
                  from (select * from due order by since, object_key limit 200) d
                  join ops.runs r on r.run_id = d.run_id)));
end
$$;

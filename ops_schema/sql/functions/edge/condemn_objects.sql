-- The collector's look: of artifacts that were lost or expired longer ago than the setting orphan_safety_hours, at most
-- p_limit, the keys that nobody else needs are condemned. Returns how many artifacts were looked at.
create or replace function ops.condemn_objects(p_limit int) returns int
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_before timestamptz := ops.now() - ops.seconds(3600 * ops.setting_number('orphan_safety_hours'));
  v_lost   record;
  v_count  int := 0;
begin
  for v_lost in
    select a.artifact_id, a.object_key, a.size from ops.artifacts a
     where a.state in ('orphaned', 'expired') and a.settled_at is null and a.object_key is not null
       and coalesce(a.expired_at, a.orphaned_at) <= v_before
     order by a.artifact_id limit p_limit for update skip locked
  loop
    insert into ops.condemned_objects (object_key, size, condemned_at)
    select v_lost.object_key, v_lost.size, ops.now() where not ops.object_is_needed(v_lost.object_key)
    on conflict do nothing;
    update ops.artifacts set settled_at = ops.now() where artifact_id = v_lost.artifact_id;
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;

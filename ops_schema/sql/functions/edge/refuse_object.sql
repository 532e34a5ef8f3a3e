-- Guard, lock, mutate: the server has read an object that is not what its key says. Unless somebody's artifact or a
-- bundle is on record with it, it is to be removed now; answers whether. ops.removed_object is told afterwards.
create or replace function ops.refuse_object(p_object_key text) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock(ops.object_lock(p_object_key));
  if ops.object_is_stored(p_object_key) or exists (select from ops.bundles b where b.object_key = p_object_key) then
    return false;
  end if;
  insert into ops.condemned_objects (object_key, state, condemned_at, deleted_at)
  values (p_object_key, 'deleting', ops.now(), ops.now())
  on conflict (object_key) do update set state = 'deleting', deleted_at = ops.now();
  return true;
end
$$;

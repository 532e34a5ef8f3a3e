-- Take a condemned object for removal, or one that was removed half an hour ago: an upload address of then, valid for
-- 15 minutes at most, may have brought it back. Those that somebody needs again are let go. One that a dead process
-- took is taken again. Returns {object_key, again} to remove and then tell by ops.removed_object; null when there
-- is none.
create or replace function ops.take_condemned() returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_found ops.condemned_objects;
begin
  loop
    select * into v_found from ops.condemned_objects c
     where c.state = 'condemned' or (c.state = 'deleting' and c.deleted_at < ops.now() - interval '5 minutes')
        or (c.state = 'deleted' and c.deleted_at < ops.now() - interval '30 minutes')
     order by c.condemned_at, c.object_key limit 1;
    if not found then
      return null;
    end if;
    perform pg_advisory_xact_lock(ops.object_lock(v_found.object_key));
    if ops.object_is_needed(v_found.object_key) then
      delete from ops.condemned_objects c where c.object_key = v_found.object_key;
    else
      update ops.condemned_objects c set state = 'deleting', deleted_at = ops.now()
       where c.object_key = v_found.object_key;
      return jsonb_build_object('object_key', v_found.object_key, 'again', v_found.state = 'deleted');
    end if;
  end loop;
end
$$;

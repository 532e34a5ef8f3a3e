-- The store has removed an object. It is removed once more later, see ops.take_condemned; after the second time nothing
-- is kept of it.
create or replace function ops.removed_object(p_object_key text, p_again boolean) returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  if p_again then
    delete from ops.condemned_objects c where c.object_key = p_object_key and c.state = 'deleting';
  else
    update ops.condemned_objects c set state = 'deleted', deleted_at = ops.now()
     where c.object_key = p_object_key and c.state = 'deleting';
  end if;
end
$$;

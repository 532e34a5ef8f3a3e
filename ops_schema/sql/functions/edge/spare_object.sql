-- Guard and mutate: the bytes of a key are about to be needed (again): the collector leaves them alone. The caller has
-- the key's lock, shared, since before it made its own row. Raises OPR01 while the store is being told to remove them.
create or replace function ops.spare_object(p_object_key text) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  delete from ops.condemned_objects c where c.object_key = p_object_key and c.state <> 'deleting';
  if exists (select from ops.condemned_objects c where c.object_key = p_object_key) then
    perform ops.fail('OPR01', 'the same bytes, which nobody needed any more, are being removed at this moment',
                     '{}', 'Send the request again in a second.');
  end if;
end
$$;

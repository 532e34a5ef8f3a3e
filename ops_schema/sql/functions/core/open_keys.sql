-- Those of the keys that have a free slot; see ops.free_slots.
create or replace function ops.open_keys(p_keys text[], p_picked uuid[]) returns text[]
language plpgsql volatile set search_path = ''
as $$
begin
  if cardinality(p_keys) = 0 then
    return '{}';
  end if;
  return array(select s.key from ops.free_slots(p_keys, p_picked) s where s.free > 0);
end
$$;

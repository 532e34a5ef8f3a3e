-- Lock and mutate: each of these places has a claim floor, and none is dropped until the transaction ends: the locks
-- are taken, shared, before a statement of its own looks which floors there are. See ops.drop_empty_floors.
create or replace function ops.ensure_places(p_places ops.ready_place[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock_shared(l.lock)
     from (select distinct ops.floor_lock(n.queue, n.kind, n.priority) as lock from unnest(p_places) n) l;
  insert into ops.queue_floors (queue, kind, priority, moved_at, rescanned_at)
  select distinct n.queue, n.kind, n.priority, ops.now(), ops.now() from unnest(p_places) n
   where not exists (select from ops.queue_floors f
                      where (f.queue, f.kind, f.priority) = (n.queue, n.kind, n.priority))
   order by 1, 2, 3
  on conflict do nothing;
end
$$;

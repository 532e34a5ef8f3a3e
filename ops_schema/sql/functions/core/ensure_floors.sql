-- A claim floor for every (queue, kind, priority) in which these runs stand ready; claims find priorities through it.
create or replace function ops.ensure_floors(p_run_ids uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  insert into ops.queue_floors (queue, kind, priority, moved_at, rescanned_at)
  select distinct r.queue, r.kind, r.priority, ops.now(), ops.now() from ops.runs r
   where r.run_id = any (p_run_ids)
     and not exists (select from ops.queue_floors f
                      where (f.queue, f.kind, f.priority) = (r.queue, r.kind, r.priority))
   order by 1, 2, 3
  on conflict do nothing;
end
$$;

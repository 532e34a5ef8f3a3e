-- Whether no run that may be claimed stands there.
create or replace function ops.floor_is_empty(p_floor ops.queue_floors) returns boolean
language sql stable set search_path = ''
as $$
  select not exists (select from ops.runs r where r.state = 'queued' and not r.paused and r.queue = (p_floor).queue
                        and r.kind = (p_floor).kind and r.priority = (p_floor).priority)
$$;

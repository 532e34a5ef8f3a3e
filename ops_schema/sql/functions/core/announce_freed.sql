-- Emit: these concurrency keys (ops.key_of) have a slot again, one for each time that a key is named; of every kind as
-- many runs that queue for a key are announced as can start. One index probe for each key and kind.
create or replace function ops.announce_freed(p_keys text[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if coalesce(cardinality(p_keys), 0) = 0 then
    return;
  end if;
  perform ops.notify_ready(array(
    select q.kind from (select k.key, count(*) as freed from unnest(p_keys) k (key) group by k.key) n
     cross join lateral ops.split_keys(array[n.key]) s
      join ops.free_slots(p_keys, '{}') f on f.key = n.key and f.free > 0
     cross join (select distinct x.kind from ops.queue_floors x) e
     cross join lateral (
       select r.kind from ops.runs r
        where r.workspace = s.workspace and r.concurrency_key = s.key and r.state = 'queued' and r.kind = e.kind
          and not r.paused
        limit least(n.freed, f.free)) q));
end
$$;

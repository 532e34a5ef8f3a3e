-- Emit: these concurrency keys (ops.key_of) have a slot again; the kinds of the runs that queue for them are announced.
create or replace function ops.announce_freed(p_keys text[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if cardinality(p_keys) > 0 then
    perform ops.notify_ready(array(
      select distinct r.kind from unnest(p_keys) k
        join ops.runs r on r.state = 'queued' and r.concurrency_key = substr(k, strpos(k, chr(31)) + 1)
                       and r.workspace = split_part(k, chr(31), 1)));
  end if;
end
$$;

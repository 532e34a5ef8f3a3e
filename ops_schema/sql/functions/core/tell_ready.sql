-- Notify other processes of runs that became claimable, gathered over several transactions that have committed.
--   p_ready "kind:count,…", as ops.exchange_each and ops.submit_each give it
--   p_from  who tells: by it the teller knows its own word
create or replace function ops.tell_ready(p_ready text, p_from text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  -- nobody waits for the disk: what is told is on record already, and nobody's answer depends on it
  perform set_config('synchronous_commit', 'off', true);
  perform pg_notify('ops_ready', p_ready || ';' || p_from);
end
$$;

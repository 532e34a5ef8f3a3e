-- Mutate this transaction: with true, what becomes claimable is gathered instead of notified, since a commit that
-- notifies waits for all others that do. The caller gives it out (ops.gathered_ready), and its caller tells it: to the
-- claims that wait in its own process, and to other processes by ops.tell_ready.
-- Returns p_gather, so that it can be assigned, which is cheaper than `perform`.
create or replace function ops.gather_ready(p_gather boolean) returns boolean
language plpgsql volatile set search_path = ''
as $$
declare
  v_set text;
begin
  v_set := set_config('ops.gather', case when p_gather then 'on' else 'off' end, true);
  v_set := set_config('ops.gathered', '', true);
  return p_gather;
end
$$;

-- Have this session plan the statements of its hot verbs: the first exchange and the first submit of a session take
-- tens of milliseconds, which nobody's run shall wait for. Changes nothing: all of them are run for no rows.
create or replace function ops.warm_up() returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform ops.warm_up_exchange();
  perform ops.submit_each('[]');
end
$$;

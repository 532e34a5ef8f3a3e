-- Mutate this transaction: what its verbs make claimable is kept for their caller (ops.kept_ready) instead of notified.
-- Called before the verb: see ops_schema/_store_queries.py. Verbs that tell of no number, so that all look, notify.
create or replace function ops.keep_ready() returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform set_config('ops.kept', '', true);
  return set_config('ops.keep', 'on', true) = 'on';
end
$$;

-- What became claimable since ops.keep_ready(), "kind:count,…", or null: for the caller to tell, see ops.tell_ready.
create or replace function ops.kept_ready() returns text
language plpgsql volatile security definer set search_path = ''
as $$
begin
  return nullif(current_setting('ops.kept', true), '');
end
$$;

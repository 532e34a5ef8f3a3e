-- What became claimable since ops.gather_ready(true), "kind:count,…", or null; the gathering ends.
create or replace function ops.gathered_ready() returns text
language plpgsql volatile set search_path = ''
as $$
declare
  v_told text := nullif(current_setting('ops.gathered', true), '');
begin
  perform ops.gather_ready(false);
  return v_told;
end
$$;

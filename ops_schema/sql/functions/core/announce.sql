-- Emit: of these new runs, those that are ready can be found by claims and are announced to waiting ones.
create or replace function ops.announce(p_run_ids uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  perform ops.announce_all(p_run_ids, '{}');
end
$$;

-- Emit: runs of these kinds became claimable. At most one notification per statement of a verb.
create or replace function ops.notify_ready(p_kinds text[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if cardinality(p_kinds) > 0 then
    perform pg_notify('ops_ready', (select string_agg(distinct k, ',' order by k) from unnest(p_kinds) k));
  end if;
end
$$;

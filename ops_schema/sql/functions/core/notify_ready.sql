-- Emit: so many runs of these kinds became claimable; p_kinds names the kind of each. The payload is "kind:count,…".
-- At most one notification per statement of a verb.
create or replace function ops.notify_ready(p_kinds text[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if cardinality(p_kinds) > 0 then
    perform pg_notify('ops_ready', (
      select string_agg(k.kind || ':' || k.runs, ',' order by k.kind)
        from (select kind, count(*) as runs from unnest(p_kinds) kind group by kind) k));
  end if;
end
$$;

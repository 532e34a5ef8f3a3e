-- Emit: so many runs of these kinds became claimable; p_kinds names the kind of each. The payload is "kind:count,…".
-- At most one notification per statement of a verb; none while the caller gathers (ops.gather_ready).
create or replace function ops.notify_ready(p_kinds text[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_told   text;
  v_before text := nullif(current_setting('ops.gathered', true), '');
begin
  if cardinality(p_kinds) = 0 then
    return;
  end if;
  v_told := (select string_agg(k.kind || ':' || k.runs, ',' order by k.kind)
               from (select kind, count(*) as runs from unnest(p_kinds) kind group by kind) k);
  if current_setting('ops.gather', true) = 'on' then
    perform set_config('ops.gathered', concat_ws(',', v_before, v_told), true);
  else
    perform pg_notify('ops_ready', v_told);
  end if;
end
$$;

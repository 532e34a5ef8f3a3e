-- Emit: so many runs of these kinds became claimable; p_kinds names the kind of each. The payload is "kind:count,…".
-- Null: nobody counted, and every claim that waits looks; the payload is empty. Verbs gather what their parts tell
-- (ops.gather_ready) and notify once: Postgres gives a payload that one transaction notifies twice only once.
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
  if p_kinds is not null and current_setting('ops.gather', true) = 'on' then
    perform set_config('ops.gathered', concat_ws(',', v_before, v_told), true);
  else
    perform pg_notify('ops_ready', coalesce(v_told, ''));
  end if;
end
$$;

-- What became claimable since ops.gather_ready(true), "kind:count,…", each kind once, or null; the gathering ends.
create or replace function ops.gathered_ready() returns text
language plpgsql volatile set search_path = ''
as $$
declare
  v_told   text    := nullif(current_setting('ops.gathered', true), '');
  v_gather boolean := ops.gather_ready(false);
begin
  return case when v_told is not null then (
    select string_agg(k.kind || ':' || k.runs, ',' order by k.kind)
      from (select split_part(part, ':', 1) as kind, sum(split_part(part, ':', 2)::bigint) as runs
              from unnest(string_to_array(v_told, ',')) part group by 1) k) end;
end
$$;

-- The reason of a run that asks for what no executor offers: what is missing everywhere, else all that is asked for.
create or replace function ops.why_not_able(p_run ops.runs, p_executors ops.executors[]) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_missing text;
begin
  select string_agg(format('%s %s = %s', case s.key when 'labels' then 'label' else 'capability' end, w.key,
                           w.value #>> '{}'), ', ' order by s.key, w.key)
    into v_missing
    from jsonb_each(p_run.requires) s cross join lateral jsonb_each(nullif(s.value, 'null')) w
   where not exists (select from unnest(p_executors) e
                      where ops.offer(e) @> jsonb_build_object(s.key, jsonb_build_object(w.key, w.value)));
  return ops.reason('no_executor_with_capability',
    case when v_missing is null then format('no one %s executor offers all that the run requires', p_run.kind)
         else format('no %s executor has %s', p_run.kind, v_missing) end,
    jsonb_build_object('requires', p_run.requires));
end
$$;

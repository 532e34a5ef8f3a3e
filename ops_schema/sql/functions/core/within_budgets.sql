-- Of starts with lines, in their order, those for which every budget has room. The balances are locked.
create or replace function ops.within_budgets(p_starts ops.member_start[]) returns ops.member_start[]
language plpgsql stable set search_path = ''
as $$
declare
  v_start ops.member_start;
  v_room  jsonb;
  v_left  jsonb;
  v_fit   ops.member_start[] := '{}';
begin
  with wanted as (
    select l.budget_id, l.period_start, sum(l.reserved) as total
      from unnest(p_starts) s cross join lateral unnest(s.reserved) l group by 1, 2
  ), room as (
    select w.budget_id, w.total, g."limit" - b.used - b.reserved as room
      from wanted w join ops.budgets g on g.budget_id = w.budget_id
      join ops.budget_balances b on (b.budget_id, b.period_start) = (w.budget_id, w.period_start)
  )
  select case when bool_and(r.total <= r.room) then null
              else jsonb_object_agg(r.budget_id, r.room) end into v_room from room r;
  if v_room is null then
    return p_starts;
  end if;

  foreach v_start in array p_starts loop
    v_left := (select jsonb_object_agg(l.budget_id, (v_room ->> l.budget_id::text)::numeric - l.reserved)
                 from unnest(v_start.reserved) l);
    if not exists (select from jsonb_each_text(v_left) x where x.value::numeric < 0) then
      v_fit := v_fit || v_start;
      v_room := v_room || coalesce(v_left, '{}');
    end if;
  end loop;
  return v_fit;
end
$$;

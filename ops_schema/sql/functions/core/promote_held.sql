-- Mutate and emit: runs that a budget held enter the ready index again where there is room now, template by template,
-- those of the oldest run first; at most p_limit. The claim looks again. Where a budget refuses, such a run fails.
-- Returns how many went on.
create or replace function ops.promote_held(p_limit int, p_actor text) returns int
language plpgsql volatile set search_path = ''
as $$
declare
  v_group record;
  v_room  bigint;
  v_taken jsonb := '{}';
  v_ready uuid[];
  v_count int := 0;
  v_refused uuid[] := '{}';
begin
  for v_group in
    select h.workspace, h.template_name, h.template_id, h.caps, count(*) as runs, min(h.run_id::text) as first,
           ops.budget_lines(h.workspace, h.template_name, t.spec -> 'estimate', h.caps) as lines
      from ops.runs h join ops.templates t on t.template_id = h.template_id
     where h.state = 'waiting' and h.state_reason = 'budget_exhausted' and not h.paused
     group by h.workspace, h.template_name, h.template_id, h.caps, t.spec
     order by first
  loop
    exit when v_count >= p_limit;
    -- how many of this template fit beside what was let go before; a budget that was overrun has no room, as at the
    -- claim, for those that are expected to use nothing neither
    select least(v_group.runs, p_limit - v_count, min(case when x.room < 0 then 0 when x.reserved = 0 then v_group.runs
                                                           else floor(x.room / x.reserved) end))
      into v_room
      from (select l.reserved, g."limit" - coalesce(b.used, 0) - coalesce(b.reserved, 0)
                               - coalesce((v_taken ->> l.budget_id::text)::numeric, 0) as room
              from unnest(v_group.lines) l join ops.budgets g on g.budget_id = l.budget_id
              left join ops.budget_balances b on (b.budget_id, b.period_start) = (l.budget_id, l.period_start)) x;
    v_room := greatest(0, coalesce(v_room, v_group.runs));
    if v_room = 0 then
      v_refused := v_refused || case when ops.full_budgets(v_group.lines) @> '[{"policy": "refuse"}]' then array(
        select r.run_id from ops.runs r
         where r.state = 'waiting' and r.state_reason = 'budget_exhausted' and not r.paused
           and r.workspace = v_group.workspace and r.template_id = v_group.template_id and r.caps = v_group.caps
         order by r.run_id limit p_limit for update skip locked) else '{}' end;
      continue;
    end if;
    v_ready := array(
      select r.run_id from ops.runs r
       where r.state = 'waiting' and r.state_reason = 'budget_exhausted' and not r.paused
         and r.workspace = v_group.workspace and r.template_id = v_group.template_id and r.caps = v_group.caps
       order by r.priority desc, r.run_id limit v_room for update skip locked);
    v_taken := v_taken || coalesce((
      select jsonb_object_agg(l.budget_id, coalesce((v_taken ->> l.budget_id::text)::numeric, 0)
                                           + l.reserved * cardinality(v_ready)) from unnest(v_group.lines) l), '{}');
    perform ops.enqueue(v_ready, p_actor);
    v_count := v_count + cardinality(v_ready);
  end loop;
  perform ops.sweep_each(array_fill('fail_held_one'::text, array[cardinality(v_refused)]), v_refused, p_actor);
  return v_count;
end
$$;

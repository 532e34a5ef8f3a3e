-- Mutate and emit: runs of a heartbeat that cost more by now than their cap allows, by the price list and the usage
-- told: each breach and each warning stands in the ledger once for an attempt, and ops.directives answers with the
-- order to stop. A run whose row is held right now is looked at by the next heartbeat.
create or replace function ops.enforce_costs(p_executor_id uuid, p_runs jsonb) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  v_run record;
begin
  if not exists (select from ops.price_lists) then
    return;
  end if;
  for v_run in
    select x.* from (
      select l.run_id, l.epoch, ops.cost_of(r.kind, l.usage, ops.now()) as cost,
             (ops.effective_caps(r.workspace, r.template_name, r.caps) ->> 'cost')::numeric as "limit",
             ops.effective_rules(r.workspace, r.template_name, r.cap_rules) -> 'cost' as rule
        from jsonb_array_elements(p_runs) m
        join ops.leases l on l.run_id = (m ->> 'run_id')::uuid and l.epoch = ops.body_epoch(m)
                         and l.executor_id = p_executor_id and l.reported_at is null and l.usage is not null
       cross join lateral (select * from ops.runs u where u.run_id = l.run_id offset 0) r
       where r.caps ? 'cost' or r.cap_rules ? 'cost' or exists (select from ops.caps c where c.cap = 'cost')) x
     where x.cost > x."limit" or x.cost > (x.rule ->> 'warn')::numeric
     order by x.run_id
  loop
    perform from ops.runs r where r.run_id = v_run.run_id for update skip locked;
    continue when not found;
    if v_run.cost > v_run."limit" then
      perform ops.note_cost(v_run.run_id, v_run.epoch, v_run."limit", v_run.cost,
                            case v_run.rule ->> 'action' when 'kill' then 'killed' else 'cancelled' end);
    else
      perform ops.note_cost(v_run.run_id, v_run.epoch, (v_run.rule ->> 'warn')::numeric, v_run.cost, 'warned');
    end if;
  end loop;
end
$$;

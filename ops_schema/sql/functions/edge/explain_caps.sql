-- Which ceilings hold for a run and where each comes from; the budgets it counts against; what was enforced.
-- Returns {run_id, number, caps: [{cap, limit, given_by, action, grace_seconds, warn, values:
-- [{given_by, limit, action, grace_seconds}]}], budgets: [Budget + {estimate}],
-- ledger: [entry]}. given_by: run, template (its own caps), or platform, workspace, template cap by who set it. Of the
-- same limit the widest is named. Raises OPU01, OPU02, OPN01.
create or replace function ops.explain_caps(p_token_id uuid, p_ref text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_run  ops.runs;
  v_spec jsonb;
begin
  select * into v_run from ops.runs r where r.run_id = ops.resolve_run(p_token_id, p_ref);
  select t.spec into v_spec from ops.templates t where t.template_id = v_run.template_id;
  return jsonb_build_object('run_id', v_run.run_id, 'number', v_run.number,
    'caps', ops.explained_caps(v_run, coalesce(nullif(v_spec -> 'caps', 'null'), '{}')),
    'budgets', (select coalesce(jsonb_agg(ops.budget_json(b) || jsonb_build_object('estimate', l.reserved)
                                          order by b.budget_id), '[]')
                  from unnest(ops.budget_lines(v_run.workspace, v_run.template_name, v_spec -> 'estimate', v_run.caps)) l
                  join ops.budgets b on b.budget_id = l.budget_id),
    'ledger', (select coalesce(jsonb_agg(ops.cap_entry_json(e) order by e.entry_id), '[]')
                 from ops.cap_ledger e where e.run_id = v_run.run_id));
end
$$;

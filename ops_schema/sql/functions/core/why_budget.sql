-- The reasons of a run that a budget holds: one for each budget without room, as it stands now; when all have some,
-- that it goes on with the reactor's next look.
create or replace function ops.why_budget(p_run ops.runs) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_full jsonb;
begin
  v_full := ops.full_budgets(ops.budget_lines(p_run.workspace, p_run.template_name,
    (select t.spec -> 'estimate' from ops.templates t where t.template_id = p_run.template_id), p_run.caps));
  if v_full = '[]' then
    return jsonb_build_array(ops.reason('budget_exhausted', 'a budget had no room for it; there is some now'));
  end if;
  return (
    select jsonb_agg(ops.reason('budget_exhausted', ops.budget_text(f.value) || coalesce(
             format('; the next %s begins at %s', f.value ->> 'period', f.value ->> 'period_end'), ''), f.value))
      from jsonb_array_elements(v_full) f);
end
$$;

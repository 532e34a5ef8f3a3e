-- The caps of a new run of an ended one. Of the same template version: those it had; what platform caps allowed then
-- may be above what they allow now, and the tighter holds. Of another version: that version's, and those which the
-- ended run's submit had tightened.
create or replace function ops.rerun_caps(p_run ops.runs, p_template ops.templates) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_before  jsonb;
  v_tighter jsonb;
begin
  if p_template.template_id = p_run.template_id then
    return ops.effective_caps(p_run.workspace, p_run.template_name, p_run.caps);
  end if;
  v_before := ops.effective_caps(p_run.workspace, p_run.template_name, coalesce(nullif(
    (select ops.cap_limits(t.spec -> 'caps') from ops.templates t where t.template_id = p_run.template_id), 'null'), '{}'));
  v_tighter := (select jsonb_object_agg(c.key, c.value) from jsonb_each(p_run.caps) c
                 where c.value::text::numeric < coalesce((v_before ->> c.key)::numeric, 'infinity'));
  return ops.effective_caps(p_run.workspace, p_run.template_name,
                            ops.tightest(ops.cap_limits(p_template.spec -> 'caps'), v_tighter));
end
$$;

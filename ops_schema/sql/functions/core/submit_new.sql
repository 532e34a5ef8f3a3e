-- Mutate and emit: a new run for a submit whose keys are free. See ops.submit_one.
create or replace function ops.submit_new(p_token ops.tokens, p_workspace text, p_body jsonb, p_digest bytea)
returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  v_template ops.templates := ops.find_template(p_workspace, p_body ->> 'template',
                                                (p_body ->> 'template_version')::int);
  v_body     jsonb := ops.checked_body(v_template, p_body);
  v_parents  jsonb := ops.named_parents(p_token, p_workspace, v_template, v_body);
begin
  perform ops.check_pipeline_submit(v_template, v_body);
  return ops.submit_template(v_template, v_body, jsonb_build_object(
    'workspace', p_workspace, 'submitted_by', p_token.name, 'digest', encode(p_digest, 'hex')), v_parents,
    p_templates => coalesce(p_body #> '{checked,tasks}', '{}'));
end
$$;

-- Submit a run, or a pipeline run with its children. Returns the Run; with `repeated: true` when the idempotency key
-- was seen with the same body.
--   p_body {template, template_version?, workspace?, params, priority?, queue?, not_before?, deadline?, labels?,
--           idempotency_key?, concurrency_key?, max_attempts?, caps?, traceparent?}
-- Raises OPU01, OPU02, OPN02, OPN07, OPV01, OPV02, OPV05, OPX01, OPC03.
create or replace function ops.submit_run(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token     ops.tokens := ops.require(p_token_id, array['operator']);
  v_workspace text       := coalesce(p_body ->> 'workspace', 'default');
  v_digest    bytea      := ops.digest(p_body);
  v_repeated  uuid;
  v_template  ops.templates;
  v_run_id    uuid;
begin
  perform ops.check_submit(p_body);
  perform ops.check_workspace(v_token, v_workspace);
  v_repeated := ops.repeated_submit(v_workspace, p_body ->> 'idempotency_key', v_digest);
  if v_repeated is not null then
    return ops.run_json(v_repeated) || '{"repeated": true}';
  end if;

  v_template := ops.find_template(v_workspace, p_body ->> 'template', (p_body ->> 'template_version')::int);
  perform ops.check_pipeline_submit(v_template, p_body);
  v_run_id := ops.submit_template(v_template, p_body,
    jsonb_build_object('workspace', v_workspace, 'submitted_by', v_token.name, 'digest', encode(v_digest, 'hex')));
  return ops.run_json(v_run_id);
end
$$;

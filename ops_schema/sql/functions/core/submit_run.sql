-- Submit a run, or a pipeline run with its children. Returns the Run; with `repeated: true` when it was on record: the
-- idempotency key was seen with the same body, or the dedupe key was held and on_conflict is `return`.
--   p_body {template, template_version?, workspace?, params, priority?, queue?, not_before?, deadline?, labels?,
--           idempotency_key?, dedupe_key?, on_conflict?: error|return|replace, concurrency_key?, concurrency_limit?,
--           depends_on?: [{run: run_id or number, inputs?: {input: output}}], condition?,
--           checked?: {template_version, params: with the defaults filled in, tasks?: {task key: template_id}}, no part
--           of what identifies it,
--           max_attempts?, retry?: {backoff_seconds?, backoff_max_seconds?, on?}, lease_seconds?, caps?, traceparent?}
-- Raises OPU01, OPU02, OPN02, OPN07, OPV01, OPV02, OPV05, OPX01, OPC03, OPC11, OPC12.
create or replace function ops.submit_run(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan
  set enable_seqscan = off set jit = off set enable_bitmapscan = off
as $$
declare
  v_made record;
begin
  perform ops.gather_ready(true);
  select * into v_made from ops.submit_one(ops.require(p_token_id, array['operator']), p_body);
  if not v_made.repeated then
    perform ops.announce(array[v_made.run_id]);
  end if;
  perform ops.notify_gathered();
  return ops.run_json(v_made.run_id) || case when v_made.repeated then '{"repeated": true}'::jsonb else '{}' end;
end
$$;

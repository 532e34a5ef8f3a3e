-- A legal hold: the artifacts of a run, of a pipeline those of all its tasks, are removed by no retention until it is
-- released. Placing it again is no error and changes nothing.
--   p_body {reason}
-- Returns the Run. Raises OPU01, OPU02, OPN01, OPV01.
create or replace function ops.hold_run(p_token_id uuid, p_ref text, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token  ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id uuid       := ops.resolve_run(p_token_id, p_ref);
  v_reason text       := ops.checked_reason(p_body);
begin
  if v_reason is null then
    perform ops.invalid('/reason', 'is required: why nothing of this run may be removed');
  end if;
  insert into ops.legal_holds (run_id, reason, placed_at, placed_by)
  values (v_run_id, v_reason, ops.now(), v_token.name) on conflict (run_id) where released_at is null do nothing;
  return ops.run_json(v_run_id);
end
$$;

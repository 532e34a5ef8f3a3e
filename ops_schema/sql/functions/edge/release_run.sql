-- Release the legal hold of a run; what is over its time is removed by the next looks. Releasing it again is no error.
-- Returns the Run. Raises OPU01, OPU02, OPN01.
create or replace function ops.release_run(p_token_id uuid, p_ref text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_token  ops.tokens := ops.require(p_token_id, array['operator']);
  v_run_id uuid       := ops.resolve_run(p_token_id, p_ref);
begin
  update ops.legal_holds set released_at = ops.now(), released_by = v_token.name
   where run_id = v_run_id and released_at is null;
  return ops.run_json(v_run_id);
end
$$;

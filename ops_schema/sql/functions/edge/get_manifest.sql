-- A run's manifest as it was made, null while there is none, and what is on record now, null while the run has not
-- ended: {run_id, number, state, manifest_root, manifest, on_record}. Raises OPU01, OPU02, OPN01.
create or replace function ops.get_manifest(p_token_id uuid, p_ref text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['operator', 'viewer']);
  v_run    ops.runs;
begin
  select * into v_run from ops.runs r where r.run_id = ops.resolve_run(v_caller.token_id, p_ref);
  return jsonb_build_object(
    'run_id', v_run.run_id,
    'number', v_run.number,
    'state', v_run.state,
    'manifest_root', v_run.manifest_root,
    'manifest', (select jsonb_build_object('text', m.text, 'sha256', m.sha256, 'root', m.root, 'envelope', m.envelope,
                                           'key_id', m.key_id, 'made_at', ops.iso(m.made_at))
                   from ops.manifests m where m.run_id = v_run.run_id),
    'on_record', ops.manifest_parts(v_run.run_id));
end
$$;

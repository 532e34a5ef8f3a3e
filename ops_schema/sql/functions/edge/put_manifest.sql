-- For the reactor: record a run's manifest. p_body {text, root, made_at, key_id|null, envelope|null}. The text must say
-- what is on record, so that nobody's word stands in it; told again, it changes nothing. Returns {run_id, sha256, root}
-- of what is on record. Raises OPN01, OPC05.
create or replace function ops.put_manifest(p_run_id uuid, p_body jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_run   ops.runs;
  v_found ops.manifests;
  v_made  timestamptz := (p_body ->> 'made_at')::timestamptz;
begin
  select * into v_run from ops.runs r where r.run_id = p_run_id for no key update;
  if v_run.run_id is null then
    perform ops.fail('OPN01', format('there is no run %s', p_run_id));
  end if;
  select * into v_found from ops.manifests m where m.run_id = p_run_id;
  if v_found.run_id is null then
    if v_run.finished_at is null or (p_body ->> 'text')::jsonb is distinct from ops.manifest_parts(p_run_id) then
      perform ops.fail('OPC05', format('run %s: the manifest does not say what is on record', v_run.number),
        jsonb_build_object('state', v_run.state), 'Make it anew from ops.manifest_parts.');
    elsif not v_made between v_run.finished_at and ops.now() then
      perform ops.fail('OPC05', format('run %s: a manifest cannot have been made at %s', v_run.number, v_made),
        jsonb_build_object('state', v_run.state), 'It is made after the run has ended.');
    elsif not exists (select from ops.signing_keys k where k.key_id = p_body ->> 'key_id' and k.retired_at is null)
          and p_body ->> 'key_id' is not null then
      perform ops.fail('OPC05', format('the key %s is not in force', p_body ->> 'key_id'),
        jsonb_build_object('state', v_run.state), 'Sign with the newest key.');
    end if;

    insert into ops.manifests (run_id, text, sha256, root, envelope, key_id, made_at)
    values (p_run_id, p_body ->> 'text', encode(sha256(convert_to(p_body ->> 'text', 'UTF8')), 'hex'),
            p_body ->> 'root', nullif(p_body -> 'envelope', 'null'), p_body ->> 'key_id', v_made)
    returning * into v_found;
    update ops.runs set manifest_root = v_found.root where run_id = p_run_id;
  end if;
  return jsonb_build_object('run_id', p_run_id, 'sha256', v_found.sha256, 'root', v_found.root);
end
$$;

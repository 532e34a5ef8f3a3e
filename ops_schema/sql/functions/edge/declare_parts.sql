-- Guard, lock, mutate: the digests of parts that an executor is about to send, {epoch, parts: [{number, sha256}]}.
-- Answers the open upload with all parts declared so far and `conflict`, the numbers declared before with other
-- digests; null when no upload in parts is open. Raises OPV01 for a part that the object does not have.
create or replace function ops.declare_parts(p_token_id uuid, p_run_id uuid, p_artifact_id uuid, p_body jsonb)
returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_artifact ops.artifacts := ops.begun_artifact(p_token_id, p_run_id, p_artifact_id, ops.body_epoch(p_body));
  v_parts    jsonb := coalesce(p_body -> 'parts', '[]');
  v_upload   ops.uploads;
  v_count    bigint;
  v_place    bigint;
begin
  update ops.uploads u set used_at = ops.now()
   where u.run_id = p_run_id and u.object_key = v_artifact.object_key
  returning * into v_upload;
  if v_upload.upload_id is null then
    return null;
  end if;
  v_count := (v_upload.size - 1) / v_upload.part_size + 1;
  select x.ordinality - 1 into v_place from jsonb_array_elements(v_parts) with ordinality x
   where (x.value ->> 'number')::bigint not between 1 and v_count order by x.ordinality limit 1;
  if v_place is not null then
    perform ops.invalid(format('/parts/%s/number', v_place), format('the object has %s parts', v_count));
  end if;
  insert into ops.upload_parts (upload_id, number, sha256)
  select v_upload.upload_id, x.number, x.sha256 from jsonb_to_recordset(v_parts) x (number int, sha256 text)
      on conflict do nothing;
  return ops.upload_json(v_upload) || jsonb_build_object('conflict', (
    select coalesce(jsonb_agg(distinct x.number), '[]') from jsonb_to_recordset(v_parts) x (number int, sha256 text)
      join ops.upload_parts p on p.upload_id = v_upload.upload_id and p.number = x.number and p.sha256 <> x.sha256));
end
$$;

-- Guard, lock, mutate: the upload in parts of an artifact that is begun. p_body {epoch} answers the one that is open,
-- null when there is none; with {store_id, part_size} the server has opened one in the store, and the answer is the one
-- on record, which is another when somebody was faster: the server gives its own up.
create or replace function ops.open_upload(p_token_id uuid, p_run_id uuid, p_artifact_id uuid, p_body jsonb)
returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_artifact ops.artifacts := ops.begun_artifact(p_token_id, p_run_id, p_artifact_id, ops.body_epoch(p_body));
  v_upload   ops.uploads;
begin
  if p_body ->> 'store_id' is not null then
    insert into ops.uploads (upload_id, run_id, object_key, store_id, size, part_size, begun_at, used_at)
    values (ops.uuid7(), p_run_id, v_artifact.object_key, p_body ->> 'store_id', v_artifact.size,
            (p_body ->> 'part_size')::bigint, ops.now(), ops.now())
    on conflict (run_id, object_key) do nothing;
  end if;
  update ops.uploads u set used_at = ops.now()
   where u.run_id = p_run_id and u.object_key = v_artifact.object_key
  returning * into v_upload;
  return case when v_upload.upload_id is not null then ops.upload_json(v_upload) end;
end
$$;

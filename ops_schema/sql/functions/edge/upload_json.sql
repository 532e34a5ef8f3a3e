-- An open upload in parts, for the server: {upload_id, object_key, store_id, size, part_size, parts: {number: sha256}}.
create or replace function ops.upload_json(p_upload ops.uploads) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'upload_id', (p_upload).upload_id,
    'object_key', (p_upload).object_key,
    'store_id', (p_upload).store_id,
    'size', (p_upload).size,
    'part_size', (p_upload).part_size,
    'parts', (select coalesce(jsonb_object_agg(x.number, x.sha256), '{}') from ops.upload_parts x
               where x.upload_id = (p_upload).upload_id))
$$;

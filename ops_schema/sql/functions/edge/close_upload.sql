-- Mutate: the store has completed an upload in parts, or given it up.
create or replace function ops.close_upload(p_upload_id uuid) returns void
language sql volatile security definer set search_path = ''
as $$
  delete from ops.uploads u where u.upload_id = p_upload_id
$$;

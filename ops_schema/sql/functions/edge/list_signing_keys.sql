-- The public keys of those that signed manifests, the newest first: {items}. Raises OPU01, OPU02.
create or replace function ops.list_signing_keys(p_token_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform ops.require(p_token_id, array['operator', 'viewer']);
  return jsonb_build_object('items', (
    select coalesce(jsonb_agg(jsonb_build_object(
             'key_id', k.key_id,
             'algorithm', 'ed25519',
             'public_key', encode(k.public_key, 'hex'),
             'valid_from', ops.iso(k.valid_from),
             'retired_at', ops.iso(k.retired_at)) order by k.valid_from desc), '[]')
      from ops.signing_keys k));
end
$$;

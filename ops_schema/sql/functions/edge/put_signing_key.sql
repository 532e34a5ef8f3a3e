-- For the reactor: the key that signs from now on; the one before is retired. p_public_key: raw, hex. A key that was
-- retired stays so, and the answer tells. Returns {key_id, retired_at|null}. Raises OPV01.
create or replace function ops.put_signing_key(p_public_key text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_key ops.signing_keys;
begin
  if p_public_key !~ '^[0-9a-f]{64}$' then
    perform ops.invalid('/public_key', 'must be 32 bytes as 64 hexadecimal digits');
  end if;
  perform pg_advisory_xact_lock(hashtext('ops.signing_keys'));
  select * into v_key from ops.signing_keys k where k.public_key = decode(p_public_key, 'hex');
  if v_key.key_id is null then
    update ops.signing_keys set retired_at = ops.now() where retired_at is null;
    insert into ops.signing_keys (key_id, public_key, valid_from)
    values (encode(sha256(decode(p_public_key, 'hex')), 'hex'), decode(p_public_key, 'hex'), ops.now())
    returning * into v_key;
  end if;
  return jsonb_build_object('key_id', v_key.key_id, 'retired_at', ops.iso(v_key.retired_at));
end
$$;

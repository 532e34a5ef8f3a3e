-- Announce a code bundle {sha256, size, workspace?}; with stored: true, say that the server has seen its bytes in the
-- store. Without a workspace it is `default`, or the first one of a token that does not open `default`.
-- Raises OPU01, OPU02, OPN07, OPV01, OPC04.
create or replace function ops.put_bundle(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_caller    ops.tokens := ops.require(p_token_id, array['operator']);
  v_sha256    text       := p_body ->> 'sha256';
  v_stored    boolean    := coalesce((p_body ->> 'stored')::boolean, false);
  v_workspace text       := coalesce(p_body ->> 'workspace', ops.home_workspace(v_caller));
  v_bundle    ops.bundles;
begin
  if coalesce(v_sha256, '') !~ '^[0-9a-f]{64}$' or not ops.is_natural(p_body -> 'size') then
    perform ops.invalid('/sha256', 'a bundle needs its SHA-256 (64 hex digits) and its size in bytes');
  end if;
  perform ops.check_workspace(v_caller, v_workspace);
  perform pg_advisory_xact_lock_shared(ops.object_lock(ops.object_key(v_workspace, v_sha256)));
  perform ops.spare_object(ops.object_key(v_workspace, v_sha256));
  insert into ops.bundles (workspace, sha256, size, object_key, state, created_at, created_by)
  values (v_workspace, v_sha256, (p_body ->> 'size')::bigint, ops.object_key(v_workspace, v_sha256), 'begun', ops.now(),
          p_token_id)
  -- A size announced wrongly, before any bytes were seen, must not block the digest for good.
  on conflict (workspace, sha256) do update set size = excluded.size where ops.bundles.state = 'begun';
  if v_stored then
    update ops.bundles b set state = 'stored', stored_at = ops.now()
     where b.workspace = v_workspace and b.sha256 = v_sha256 and b.state = 'begun';
  end if;

  select * into v_bundle from ops.bundles b where b.workspace = v_workspace and b.sha256 = v_sha256;
  if v_bundle.size <> (p_body ->> 'size')::bigint then
    perform ops.fail('OPC04', format('bundle %s is on record with %s bytes', v_sha256, v_bundle.size),
      jsonb_build_object('sha256', v_sha256, 'size', v_bundle.size), 'Pack the bundle again.');
  end if;
  return ops.bundle_json(v_bundle);
end
$$;

-- A code bundle whose bytes are in the store; OPN06 otherwise.
create or replace function ops.get_bundle(p_token_id uuid, p_sha256 text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_bundle ops.bundles;
begin
  perform ops.require(p_token_id, array['executor', 'operator', 'viewer']);
  select * into v_bundle from ops.bundles b where b.sha256 = p_sha256 and b.state = 'stored';
  if v_bundle.sha256 is null then
    perform ops.fail('OPN06', format('there is no stored bundle %s', left(p_sha256, 80)), '{}',
      'Apply the template again, which uploads its bundle.');
  end if;
  return ops.bundle_json(v_bundle);
end
$$;

-- A code bundle whose bytes are in the store; OPN06 otherwise. People see those of the workspaces they may enter. An
-- executor sees one only while it holds the lease of a run whose template names it: a digest alone opens nothing.
-- That its author might read it was checked when the template was put, so any stored copy of these bytes will do.
create or replace function ops.get_bundle(p_token_id uuid, p_sha256 text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_caller ops.tokens := ops.require(p_token_id, array['executor', 'operator', 'viewer']);
  v_bundle ops.bundles;
begin
  select * into v_bundle from ops.bundles b
   where b.sha256 = p_sha256 and b.state = 'stored'
     and case when v_caller.role = 'executor' then ops.runs_bundle(v_caller.token_id, p_sha256)
              else ops.may_enter(v_caller, b.workspace) end
   order by b.stored_at limit 1;
  if v_bundle.sha256 is null then
    perform ops.fail('OPN06', format('there is no stored bundle %s to read here', left(p_sha256, 80)), '{}',
      case v_caller.role when 'executor' then 'Fetch it while holding a run of a template that names it.'
                         else 'Apply the template again, which uploads its bundle.' end);
  end if;
  return ops.bundle_json(v_bundle);
end
$$;

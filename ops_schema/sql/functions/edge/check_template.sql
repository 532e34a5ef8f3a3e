-- What the schema itself needs of a template; its other rules are the server's, which holds the JSON Schema.
create or replace function ops.check_template(p_caller ops.tokens, p_name text, p_workspace text, p_spec jsonb)
returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_bundle text := p_spec #>> '{bundle,sha256}';
begin
  perform ops.check_workspaces(array[p_workspace]);
  if not ops.may_enter(p_caller, p_workspace) then
    perform ops.fail('OPU02', format('this token does not open workspace %L', p_workspace), '{}', null);
  end if;
  if jsonb_typeof(p_spec) is distinct from 'object' or coalesce(p_name, '') !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
    perform ops.invalid('/name', 'must be lower case letters, digits, ".", "_" and "-", at most 63');
  end if;
  if p_spec ->> 'name' is distinct from p_name then
    perform ops.invalid('/name', format('is %L, but the address says %L', p_spec ->> 'name', p_name));
  end if;
  if coalesce(p_spec ->> 'kind', '') <> 'pipeline' and not ops.setting('kinds') ? coalesce(p_spec ->> 'kind', '') then
    perform ops.fail('OPV03', format('kind: %L is no kind here', p_spec ->> 'kind'),
      jsonb_build_object('kinds', ops.setting('kinds') || '["pipeline"]'), 'Use one of the kinds.');
  end if;
  if v_bundle is not null and not exists (
       select from ops.bundles b where b.sha256 = v_bundle and b.state = 'stored' and ops.may_enter(p_caller, b.workspace)) then
    -- announced only, or another tenant's: as good as none
    perform ops.fail('OPN06', format('there is no bundle %s', left(v_bundle, 80)), '{}', 'Upload the bundle first.');
  end if;
end
$$;

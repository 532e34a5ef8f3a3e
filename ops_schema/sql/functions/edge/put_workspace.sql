-- Make a workspace, or describe it anew: p_body {workspace, description?}. Repeating it is no error.
-- Returns {name, description, created_at}. Raises OPU01, OPU02, OPV01.
create or replace function ops.put_workspace(p_token_id uuid, p_body jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_name text := p_body ->> 'workspace';
  v_made ops.workspaces;
begin
  perform ops.require_everywhere(p_token_id);
  if coalesce(v_name, '') !~ '^[a-z0-9][a-z0-9_-]{0,62}$' then
    perform ops.invalid('/workspace', 'must be lower case letters, digits, "_" and "-", at most 63');
  elsif length(p_body ->> 'description') > 1000 then
    perform ops.invalid('/description', 'must have at most 1000 characters');
  end if;
  insert into ops.workspaces as w (workspace, description, created_at)
  values (v_name, coalesce(p_body ->> 'description', ''), ops.now())
  on conflict (workspace) do update set description = coalesce(p_body ->> 'description', w.description)
  returning * into v_made;
  return jsonb_build_object('name', v_made.workspace, 'description', v_made.description,
                            'created_at', ops.iso(v_made.created_at));
end
$$;

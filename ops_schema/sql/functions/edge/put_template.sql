-- Store a template: an unchanged spec keeps its version, a changed one gets the next. A version never changes.
create or replace function ops.put_template(p_token_id uuid, p_name text, p_spec jsonb) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
  v_caller    ops.tokens := ops.require(p_token_id, array['operator']);
  v_workspace text := coalesce(p_spec ->> 'workspace', 'default');
  v_digest    text := encode(ops.digest(p_spec), 'hex');
  v_latest    ops.templates;
  v_created   boolean := false;
begin
  perform ops.check_template(v_caller, p_name, v_workspace, p_spec);
  -- Two writers of one name take turns, so that versions follow each other.
  perform pg_advisory_xact_lock(hashtextextended('ops.template:' || v_workspace || '/' || p_name, 0));
  select * into v_latest from ops.templates t
   where t.workspace = v_workspace and t.name = p_name order by t.version desc limit 1;

  if v_latest.digest is distinct from v_digest then
    insert into ops.templates
      (template_id, workspace, name, version, digest, kind, description, spec, created_at, created_by)
    values (ops.uuid7(), v_workspace, p_name, coalesce(v_latest.version, 0) + 1, v_digest, p_spec ->> 'kind',
            coalesce(p_spec ->> 'description', ''), p_spec, ops.now(), p_token_id)
    returning * into v_latest;
    v_created := true;
  end if;
  return ops.template_json(v_latest) - 'spec' || jsonb_build_object('created', v_created);
end
$$;

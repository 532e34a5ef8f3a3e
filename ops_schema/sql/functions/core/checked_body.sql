-- Guard: a submit's body with the parameters that the server made of it, defaults filled in, when it checked them by
-- this version of the template. A body that was not checked stays as it is. Raises OPC12 when another one checked it.
create or replace function ops.checked_body(p_template ops.templates, p_body jsonb) returns jsonb
language plpgsql immutable set search_path = ''
as $$
begin
  if coalesce(p_body -> 'checked', 'null') = 'null' then
    return p_body;
  elsif (p_body #>> '{checked,template_version}')::int <> p_template.version then
    perform ops.fail('OPC12', format('template %s got version %s while the parameters were checked by version %s',
        p_template.name, p_template.version, p_body #>> '{checked,template_version}'),
      jsonb_build_object('template', p_template.name, 'version', p_template.version), 'Send it again.');
  end if;
  return (p_body - 'checked') || jsonb_build_object('params', p_body #> '{checked,params}');
end
$$;

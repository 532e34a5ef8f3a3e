-- The outputs of a run, fixed at submit: [{name, format, mode, uri}], uri by ops.output_address. A parameter may be
-- part of the path but cannot lead out of the workspace's place, nor to where another output of the run lies, whatever
-- its format: each would take the other's data for its own. Raises OPV02.
create or replace function ops.planned_outputs(p_workspace text, p_spec jsonb, p_params jsonb) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_outputs jsonb := '[]';
  v_output  jsonb;
  v_format  text;
  v_path    text;
  v_wrong   text;
  v_uri     text;
  v_other   text;
begin
  for v_output in select o from jsonb_array_elements(coalesce(p_spec -> 'outputs', '[]')) o loop
    v_format := coalesce(v_output ->> 'format', 'delta');
    v_path := ops.substitute(v_output -> 'path', p_params, '/outputs/' || (v_output ->> 'name')) #>> '{}';
    v_wrong := ops.output_wrong(v_format, coalesce(v_output ->> 'mode', 'overwrite'), v_path);
    if v_wrong is not null then
      perform ops.params_invalid('/outputs/' || (v_output ->> 'name'), v_wrong);
    end if;
    v_uri := ops.output_address(p_workspace, v_format, v_path);
    select o ->> 'name' into v_other from jsonb_array_elements(v_outputs) o where o ->> 'uri' = v_uri;
    if found then
      perform ops.params_invalid('/outputs/' || (v_output ->> 'name'),
        format('lies at %s, where output %s lies; give each output a path of its own', v_uri, v_other));
    end if;
    v_outputs := v_outputs || jsonb_build_object('name', v_output -> 'name', 'format', v_format,
      'mode', coalesce(v_output ->> 'mode', 'overwrite'), 'uri', v_uri);
  end loop;
  return v_outputs;
end
$$;

-- The outputs of a run, fixed at submit: [{name, format, mode, uri}] with uri = ops.workspace_root + '/' + path. A
-- parameter may be part of the path but cannot lead out of the workspace's root. Raises OPV02.
create or replace function ops.planned_outputs(p_workspace text, p_spec jsonb, p_params jsonb) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_root    text  := ops.workspace_root(p_workspace);
  v_outputs jsonb := '[]';
  v_output  jsonb;
  v_path    text;
begin
  for v_output in select o from jsonb_array_elements(coalesce(p_spec -> 'outputs', '[]')) o loop
    v_path := ops.substitute(v_output -> 'path', p_params, '/outputs/' || (v_output ->> 'name')) #>> '{}';
    if not ops.is_output_path(v_path) then
      perform ops.params_invalid('/outputs/' || (v_output ->> 'name'),
        format('%s is not a path of plain names below the workspace''s root; _ws is reserved',
               coalesce(v_path, 'null')));
    end if;
    v_outputs := v_outputs || jsonb_build_object('name', v_output -> 'name',
      'format', coalesce(v_output ->> 'format', 'delta'),
      'mode', coalesce(v_output ->> 'mode', 'overwrite'), 'uri', v_root || '/' || v_path);
  end loop;
  return v_outputs;
end
$$;

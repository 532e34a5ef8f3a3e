-- Guard: a table that an artifact names may be one of the run's workspace (ops.is_table_for). Raises OPV01.
create or replace function ops.check_table_uri(p_run_id uuid, p_uri text) returns void
language plpgsql stable set search_path = ''
as $$
begin
  if p_uri is not null
     and not ops.is_table_for((select r.workspace from ops.runs r where r.run_id = p_run_id), p_uri) then
    perform ops.invalid('/table/uri', 'is no plain address of a table of the run''s workspace',
                        'Name a table below the workspace''s own root, or one outside the lakehouse root.');
  end if;
end
$$;

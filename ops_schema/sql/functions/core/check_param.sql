-- Guard: a referenced parameter has a value. Raises OPV02.
create or replace function ops.check_param(p_params jsonb, p_name text, p_path text) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if p_params ->> p_name is null then
    perform ops.params_invalid(coalesce(nullif(p_path, ''), '/'), format('there is no parameter %s', p_name));
  end if;
end
$$;

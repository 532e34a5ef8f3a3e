-- Refuse parameters: OPV02 with one entry in `errors`.
create or replace function ops.params_invalid(p_path text, p_message text) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  perform ops.fail('OPV02', format('%s: %s', p_path, p_message),
    jsonb_build_object('errors', jsonb_build_array(jsonb_build_object('path', p_path, 'message', p_message))),
    'See the template''s params_schema.');
end
$$;

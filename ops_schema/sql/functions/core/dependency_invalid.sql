-- Refuse a dependency: OPV05 with one entry in `errors`. p_path is a JSON pointer.
create or replace function ops.dependency_invalid(p_path text, p_message text, p_hint text default null) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  perform ops.fail('OPV05', format('%s: %s', p_path, p_message),
                   jsonb_build_object('errors', jsonb_build_array(
                     jsonb_build_object('path', p_path, 'message', p_message))), p_hint);
end
$$;

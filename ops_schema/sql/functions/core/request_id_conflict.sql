-- Refuse a request id that came with another body: raises OPC06.
create or replace function ops.request_id_conflict(p_request_id uuid) returns void
language plpgsql stable set search_path = ''
as $$
begin
  perform ops.fail('OPC06', format('request_id %s was used with another body', p_request_id),
    jsonb_build_object('request_id', p_request_id), 'Use a new request_id for a new claim.');
end
$$;
